"""What the scripted model may do in one turn: answer, fail, break off, wait, or stay silent.

A test builds these with the functions below; only `model_server.py` plays them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from outlast_local.demo_model import openai_wire
from outlast_local.demo_model.openai_wire import Answer, ToolCall, Usage

WAIT_S = 60.0
"""Deadline of every wait on a state; a healthy test needs a fraction of it."""


class Ending(Enum):
    """How the server's side of an answer ends."""

    COMPLETE = "complete"
    """HTTP is right to the last byte: what is missing is missing in the content only."""
    CLOSE = "close"
    """The connection is closed in the middle of the body (no last HTTP chunk)."""
    RESET = "reset"
    """The same with a TCP reset."""


class Gate:
    """Holds an answer until the test opens it, so that a test can act while a model call is open.

    Args:
        after_chunks: In a stream, hold after so many chunks were sent (the first one carries the
            role only). A plain answer is held before its first byte.
    """

    def __init__(self, after_chunks: int = 0) -> None:
        self.after_chunks = after_chunks
        self._reached: Future[None] = Future()
        self._opened: Future[None] = Future()

    def open(self) -> None:
        """Let the held answer, and all later ones, pass."""
        _settle(self._opened)

    def wait_reached(self, timeout_s: float = WAIT_S) -> None:
        """Wait until an answer is held here; in an async test, by `asyncio.to_thread`.

        Raises:
            TimeoutError: No request came this far in time.
        """
        try:
            self._reached.result(timeout_s)
        except TimeoutError:
            raise TimeoutError(f"no request reached the gate within {timeout_s} s") from None

    async def hold(self) -> None:
        """Say that an answer is held here, and wait; only the server calls this."""
        _settle(self._reached)
        # A future of its own, since a client that goes away cancels what is awaited here.
        passage: Future[None] = Future()
        self._opened.add_done_callback(lambda _: _settle(passage))
        await asyncio.wrap_future(passage)


@dataclass(frozen=True)
class Reply:
    """An answer of the model; one without usage gets a count of its words."""

    answer: Answer
    usage: Usage | None = None
    delay_s: float = 0.0
    pace_s: float = 0.0
    gate: Gate | None = None
    stop_after_chunks: int | None = None
    ending: Ending = Ending.COMPLETE


@dataclass(frozen=True)
class Play:
    """Bytes as they are; without a status, not even a status line is sent."""

    body: bytes = b""
    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    ending: Ending = Ending.COMPLETE


@dataclass(frozen=True)
class Hang:
    """No answer, until the client gives up."""


Single = Reply | Play | Hang


@dataclass(frozen=True)
class Attempts:
    """Different answers to the first, second, … request of the same turn."""

    each: tuple[Single, ...]

    def at(self, attempt: int) -> Single:
        """Return the answer to the `attempt`-th request, counted from 1; the last one repeats."""
        return self.each[min(attempt, len(self.each)) - 1]


Step = Single | Attempts


def text(
    content: str,
    *,
    finish_reason: str = "stop",
    usage: Usage | None = None,
    reasoning: str | None = None,
    delay_s: float = 0.0,
    pace_s: float = 0.0,
    gate: Gate | None = None,
) -> Reply:
    """Answer with text; `delay_s` comes before the answer, `pace_s` after each streamed chunk."""
    answer = Answer(text=content, reasoning=reasoning, finish_reason=finish_reason)
    return Reply(answer, usage=usage, delay_s=delay_s, pace_s=pace_s, gate=gate)


def call(name: str, /, **arguments: Any) -> Reply:
    """Answer with one tool call."""
    return raw_call(name, json.dumps(arguments))


def raw_call(
    name: str, arguments: str, *, call_id: str = "call_0", finish_reason: str | None = None
) -> Reply:
    """Answer with one tool call whose arguments, id or finish reason a provider got wrong."""
    tool_call = ToolCall(call_id, name, arguments)
    return Reply(Answer(tool_calls=(tool_call,), finish_reason=finish_reason))


def calls(
    *each: Reply,
    text: str | None = None,
    reasoning: str | None = None,
    usage: Usage | None = None,
    delay_s: float = 0.0,
    gate: Gate | None = None,
) -> Reply:
    """Answer with several tool calls at once, and perhaps text before them.

    An id given by `raw_call` is kept; the default ones are numbered, `call_0`, `call_1`, …, and
    start again with each answer, as some providers' do.
    """
    tool_calls = [made for reply in each for made in reply.answer.tool_calls]
    numbered = tuple(
        replace(made, id=f"call_{index}") if made.id == "call_0" else made
        for index, made in enumerate(tool_calls)
    )
    answer = Answer(text=text, tool_calls=numbered, reasoning=reasoning)
    return Reply(answer, usage=usage, delay_s=delay_s, gate=gate)


def cut(reply: Reply, after_chunks: int, ending: Ending = Ending.COMPLETE) -> Reply:
    """Break an answer off: no finish reason, no `[DONE]`; a plain one is cut in half.

    Args:
        reply: The answer to break off.
        after_chunks: How many chunks of the stream are sent (the first carries the role only).
        ending: What happens to the connection then.
    """
    return replace(reply, stop_after_chunks=after_chunks, ending=ending)


def fault(
    status: int,
    body: Mapping[str, Any] | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Play:
    """Answer with an error status; without a body, OpenAI's error for it."""
    if isinstance(body, str):
        return Play(body.encode(), status, {"content-type": "text/html", **(headers or {})})
    if body is None:
        body = openai_wire.error(f"Scripted fault {status}.", type_="scripted_fault")
    content = json.dumps(body).encode()
    return Play(content, status, {"content-type": "application/json", **(headers or {})})


def raw(
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    ending: Ending = Ending.COMPLETE,
) -> Play:
    """Answer with these bytes, then end the answer as told."""
    return Play(body, status, headers or {"content-type": "text/event-stream"}, ending)


def drop(ending: Ending = Ending.RESET) -> Play:
    """Take the request and end the connection without a byte."""
    return Play(status=None, ending=ending)


def hang() -> Hang:
    """Take the request and never answer."""
    return Hang()


def attempts(*each: Single) -> Attempts:
    """Give the first request of this turn the first answer, the second one the second, …."""
    if not each:
        raise ValueError("attempts() needs at least one answer")
    return Attempts(each)


def fixture(entry: Mapping[str, Any]) -> Play:
    """Answer with an entry of `tests/fixtures/provider-errors.json`."""
    body = entry["raw"] if "raw" in entry else json.dumps(entry["body"])
    return Play(body.encode(), entry["status"], entry["headers"])


def _settle(future: Future[None]) -> None:
    with suppress(InvalidStateError):
        future.set_result(None)
