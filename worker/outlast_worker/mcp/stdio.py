"""A server that the worker starts, and speaks to over its standard streams: a line, a message.

The library's own transport reads lines of any length, as fast as they come, and lets a server
write into the worker's log whatever it wants: a harmful one would take all memory, time and disk.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from outlast.logging import get_logger
from outlast_worker.mcp.meter import MAX_MESSAGE_BYTES, Meter

_END_GRACE_S = 2.0
_SAID_BYTES = 500
_Message = SessionMessage | Exception
_logger = get_logger()


@asynccontextmanager
async def speak(
    command: Sequence[str], env: Mapping[str, str], meter: Meter, hear: Callable[[bytes], None]
) -> AsyncGenerator[tuple[ObjectReceiveStream[_Message], ObjectSendStream[SessionMessage]]]:
    """Start a server, and end it.

    Args:
        command: What is started.
        env: Its variables, beside a few harmless ones of the worker's.
        meter: Of what it says.
        hear: Gets what it writes to its standard error, in pieces.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=get_default_environment() | dict(env),
        start_new_session=True,
        limit=MAX_MESSAGE_BYTES,
    )
    heard, received = anyio.create_memory_object_stream[_Message](0)
    sent, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, process, heard, meter)
        tasks.start_soon(_write, process, outgoing, heard)
        tasks.start_soon(_listen, process, hear)
        try:
            yield received, sent
        finally:
            with anyio.CancelScope(shield=True):
                received.close()
                sent.close()
                await _end(process)
            tasks.cancel_scope.cancel()


async def _read(process: Process, heard: ObjectSendStream[_Message], meter: Meter) -> None:
    """Pass on what the server says; the session ends with it."""
    lines = _stream(process.stdout)
    async with heard:
        try:
            while line := await lines.readline():
                await meter.take(len(line))
                await heard.send(_message_in(line))
        except ValueError:  # what asyncio raises for a line over the limit
            _logger.warning("mcp_message_too_long", most_bytes=MAX_MESSAGE_BYTES)
            return
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the session is over; what the server still says must not keep it from ending
    while await lines.read(MAX_MESSAGE_BYTES):
        pass


def _message_in(line: bytes) -> _Message:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _write(
    process: Process,
    outgoing: ObjectReceiveStream[SessionMessage],
    heard: ObjectSendStream[_Message],
) -> None:
    stdin = process.stdin
    if stdin is None:
        raise TypeError("a server has a standard input")
    async with outgoing:
        try:
            async for each in outgoing:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
        except OSError:  # it does not listen any more, and may go on to run: nobody waits for it
            await heard.aclose()


async def _listen(process: Process, hear: Callable[[bytes], None]) -> None:
    errors = _stream(process.stderr)
    while said := await errors.read(_SAID_BYTES):
        hear(said)


async def _end(process: Process) -> None:
    """Close its input, which tells a server to end; one that does not ends with all it started."""
    if process.stdin:
        process.stdin.close()
    if not await _has_ended(process):
        _signal(process, signal.SIGTERM)
        if not await _has_ended(process):
            _signal(process, signal.SIGKILL)
            await _has_ended(process)
    # What a process that has left the group keeps open would keep this open, too.
    if transport := getattr(process, "_transport", None):
        with suppress(PermissionError):
            transport.close()


async def _has_ended(process: Process) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _END_GRACE_S)
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _stream(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise TypeError("a server has standard streams")
    return stream
