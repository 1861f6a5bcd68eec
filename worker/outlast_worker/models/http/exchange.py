"""One attempt at a provider: a request goes out, and an assembler makes an answer of what comes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from outlast_worker.models.answers import Answer
from outlast_worker.models.error_bodies import read_error
from outlast_worker.models.faults import CallFailed, Symptoms, retry_after_s
from outlast_worker.models.hearing import HeardAnswer, Hearing
from outlast_worker.models.http.sse import EventReader
from outlast_worker.models.http.transport import (
    Transport,
    count_bytes,
    let_end,
    read_error_text,
)
from outlast_worker.models.silence import noticing_silence

_BOM = b"\xef\xbb\xbf"
# How the body of an answer begins that is no stream, whatever its headers say.
_NO_EVENT = (b"{", b"[", b'"', b"<")


@dataclass(frozen=True)
class Request:
    """What is sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Assembler(Protocol):
    """Makes one answer of a stream's events, or of one body. It knows no connection."""

    @property
    def has_ended(self) -> bool:
        """Whether the provider has said why the answer ends."""
        ...

    def add_event(self, data: bytes) -> bool:
        """Take the data of an event; False if it is the last one.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        ...

    def add_body(self, body: bytes) -> None:
        """Take a whole answer.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        ...

    def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            CallFailed: The provider never said that it has ended.
        """
        ...


class HttpExchange:
    """Asks over HTTP."""

    def __init__(self, idle_s: float) -> None:
        """Make one.

        Args:
            idle_s: How long a provider may be silent.
        """
        self._idle_s = idle_s
        self._transport = Transport()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def ask(
        self, request: Request, hearing: Hearing, start: Callable[[HeardAnswer], Assembler]
    ) -> Answer:
        """Ask once.

        Raises:
            CallFailed: With what was seen.
        """
        shown = hearing.begin()
        assembler = start(shown)
        try:
            async with (
                noticing_silence(self._idle_s) as heard,
                self._transport.post(request.url, request.headers, request.body) as response,
            ):
                hearing.headers(response.headers)
                await _check(response)
                await _read(response, assembler, heard)
        except CallFailed as failed:
            # What comes after the reason of its end is not part of the answer.
            if not (assembler.has_ended and failed.symptoms.sign in ("disconnected", "timeout")):
                raise
        finally:
            shown.end()
        return assembler.answer()


async def _check(response: aiohttp.ClientResponse) -> None:
    """Refuse an answer that says itself that it is none.

    Raises:
        CallFailed: With the provider's words.
    """
    status = response.status
    if status < 300:
        return
    if status < 400:
        to = response.headers.get("location", "elsewhere")
        text = f"The provider redirects to {to}; set base_url in WORKER_PROVIDERS to its address."
        raise CallFailed(Symptoms(text, status=400))
    error = read_error(await read_error_text(response))
    raise CallFailed(error.symptoms(status, retry_after_s(response.headers)))


async def _read(
    response: aiohttp.ClientResponse,
    assembler: Assembler,
    heard: Callable[[], None],
) -> None:
    """Read an answer: events as they come, or a whole body; its first bytes tell which.

    Raises:
        CallFailed: It is an error, too large, or can't be read.
    """
    reader, size = EventReader(), 0
    head: bytes | None = b""
    whole: list[bytes] = []
    async for data in response.content.iter_any():
        heard()
        size = count_bytes(size, data)
        if whole:
            whole.append(data)
            continue
        if head is not None:
            head = (head + data).removeprefix(_BOM).lstrip()
            if _BOM.startswith(head):  # nothing to tell by yet
                continue
            if head.startswith(_NO_EVENT):
                whole.append(head)
                continue
            data, head = head, None  # noqa: PLW2901  # the head is what is to be read
        for event in reader.feed(data):
            if not assembler.add_event(event):
                return await let_end(response)
    if whole or head is not None:
        return assembler.add_body(b"".join(whole))
    for event in reader.end():
        assembler.add_event(event)
    return None
