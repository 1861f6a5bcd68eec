"""A run as chunks of the AI SDK's UI message stream: what `useChat` builds a message of.

All segments of a run are one message, `msg_{run}`: an answer that goes on after a decision or a
client's result stays the same message. Chunks are strict objects for the SDK's version 6, so none
has a field that it does not know.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from outlast.events import (
    ApprovalRequested,
    MessageCompleted,
    ReadEvent,
    RunWaiting,
    TerminalEvent,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
    TurnStarted,
)
from outlast.live import Kind
from outlast.protocol import Run, Usage
from outlast_app.facades.elsewhere import Elsewhere
from outlast_app.facades.ids import name_of, name_of_call
from outlast_app.facades.items import Committed, Item, Progress, Retract, Text
from outlast_app.facades.segments import RunLog
from outlast_app.facades.streams import frame

RETRACTED = {"outlast": {"retracted": True}}
"""On a part of a message whose text no longer counts: what the model says anew follows."""
_DONE = frame("[DONE]")
_FINISH: Mapping[str, str] = {"output_length": "length", "content_filter": "content-filter"}
_PREFIXES: Mapping[Kind, str] = {"text": "msg", "reasoning": "rsn"}


class UiEncoder:
    """Says what a run is as chunks, from a segment on, to that segment's end."""

    def __init__(
        self, run_id: str, first: int, last: int | None = None, *, is_apart: bool = False
    ) -> None:
        """Begin before the run's first event.

        Args:
            run_id: The run.
            first: The segment with which the client's message goes on; 1 for all of the message.
            last: The segment at whose end the stream ends; by default the first. Those before it
                are told as if nobody had waited.
            is_apart: Whether this is a message of its own, which shows nothing of what came before.
        """
        self._is_apart = is_apart
        self._run_id = run_id
        self._first, self._last = first, first if last is None else last
        self._log = RunLog(takes_approvals=True)
        self._elsewhere = Elsewhere(run_id)
        self._open: dict[Kind, str] = {}
        """The parts that are being written, by their ids."""
        self._parts: dict[tuple[Kind, int], int] = {}
        """How many parts there were of a turn."""
        self._is_in_step = False
        self._shown: dict[str, Any] = {}
        """Calls that the client knows of, with their arguments."""
        self._is_finished = False

    @property
    def is_over(self) -> bool:
        """Whether all was said."""
        return self._is_finished

    def begin(self) -> bytes:
        """Return the first chunk, which needs to know nothing of the run."""
        numbers = [self._first] if self._is_apart else []
        return frame({"type": "start", "messageId": name_of("msg", self._run_id, *numbers)})

    def take(self, item: Item) -> Iterator[bytes]:
        """Return the chunks that follow from an item."""
        if isinstance(item, Committed):
            yield from self._hear(item.event)
        elif self._is_mine and not self._log.is_over:
            yield from self._tell(item)

    def end(self) -> Iterator[bytes]:
        """Say nothing: a stream without its end is one that the client asks for again."""
        return iter(())

    @property
    def _is_mine(self) -> bool:
        return self._log.segment >= self._first

    def _tell(self, item: Item) -> Iterator[bytes]:
        match item:
            case Text(turn, kind, delta):
                if kind == "text":
                    yield from self._close("reasoning")
                if kind not in self._open:
                    yield from self._begin_step()
                    yield self._open_part(kind, turn)
                yield _chunk(f"{kind}-delta", id=self._open[kind], delta=delta)
            case Retract():
                yield from self._close("reasoning", RETRACTED)
                yield from self._close("text", RETRACTED)
            case Progress(call_id, done, total, message) if call_id in self._shown:
                said = {"done": done, "total": total, "message": message}
                output = {name: value for name, value in said.items() if value is not None}
                yield _chunk(
                    "tool-output-available",
                    toolCallId=self._name(call_id),
                    output=output,
                    preliminary=True,
                )
            case _:
                pass

    def _hear(self, event: ReadEvent) -> Iterator[bytes]:
        # A wait ends with the event that follows it: that one begins the next segment.
        self._log.take(event)
        elsewhere = [*self._elsewhere.take(event)]
        if not self._is_mine:
            return
        for name, data in elsewhere:
            yield _chunk("data-outlast-approval", id=name, data=data)
        match event:
            case TurnStarted():
                yield from self._end_step()
                yield from self._begin_step()
            case MessageCompleted():
                yield from self._close("reasoning")
                yield from self._close("text")
            case ToolCallStarted(call_id=call_id) if event.arguments != self._shown.get(call_id):
                yield self._input(event, own=True)
            case ToolCallRequested():
                yield self._input(event, own=False)
            case ApprovalRequested():
                yield from self._ask(event)
            case ToolCallCompleted():
                yield from self._complete(event)
            case RunWaiting() if self._log.is_over and event.segment >= self._last:
                yield from self._finish("tool-calls", None)
            case _ if isinstance(event, TerminalEvent):
                yield from self._end_with(event.run)
            case _:
                pass

    def _begin_step(self) -> Iterator[bytes]:
        if not self._is_in_step:
            self._is_in_step = True
            yield _chunk("start-step")

    def _end_step(self) -> Iterator[bytes]:
        yield from self._close("reasoning")
        yield from self._close("text")
        if self._is_in_step:
            self._is_in_step = False
            yield _chunk("finish-step")

    def _open_part(self, kind: Kind, turn: int) -> bytes:
        number = self._parts[kind, turn] = self._parts.get((kind, turn), 0) + 1
        name = name_of(_PREFIXES[kind], self._run_id, turn)
        self._open[kind] = name if number == 1 else f"{name}~{number}"
        return _chunk(f"{kind}-start", id=self._open[kind])

    def _close(self, kind: Kind, metadata: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        if part_id := self._open.pop(kind, None):
            yield _chunk(
                f"{kind}-end",
                id=part_id,
                **({"providerMetadata": metadata} if metadata else {}),
            )

    def _input(
        self, call: ToolCallStarted | ToolCallRequested | ApprovalRequested, *, own: bool
    ) -> bytes:
        """Show a call. Of the agent's own the client is told that it has nothing to do."""
        call_id = call.call_id or ""
        self._shown[call_id] = call.arguments
        return _chunk(
            "tool-input-available",
            toolCallId=self._name(call_id),
            toolName=call.name,
            input=call.arguments,
            **({"dynamic": True, "providerExecuted": True} if own else {}),
        )

    def _ask(self, asked: ApprovalRequested) -> Iterator[bytes]:
        if asked.reason == "approval" and asked.call_id:
            yield self._input(asked, own=True)
            name = self._name(asked.call_id)
            yield _chunk("tool-approval-request", approvalId=name, toolCallId=name)

    def _complete(self, done: ToolCallCompleted) -> Iterator[bytes]:
        call = self._log.calls[done.call_id]
        if done.call_id not in self._shown and not self._is_known_before(done.call_id):
            # It never started: its arguments were wrong, say. Yet the model asked for it.
            self._shown[done.call_id] = call.arguments
            yield _chunk(
                "tool-input-available",
                toolCallId=self._name(done.call_id),
                toolName=done.name,
                input=call.arguments,
                dynamic=True,
                providerExecuted=True,
            )
        name = self._name(done.call_id)
        if call.resolved and call.resolved.action in {"reject", "expired"}:
            yield _chunk("tool-output-denied", toolCallId=name)
        elif done.is_error:
            yield _chunk("tool-output-error", toolCallId=name, errorText=done.output)
        else:
            output = output_of(done)
            if call.is_clients and isinstance(output, str):
                output = client_output(output)
            yield _chunk("tool-output-available", toolCallId=name, output=output)

    def _is_known_before(self, call_id: str) -> bool:
        """Tell whether the message shows the call, since before the first segment that is told."""
        if self._is_apart:
            return False
        call = self._log.calls[call_id]
        return self._first > 1 and (call.started or call.is_clients or call.approval is not None)

    def _end_with(self, run: Run) -> Iterator[bytes]:
        if run.status == "cancelled":
            yield from self._end_step()
            yield _chunk("abort")
            yield from self._stop()
        elif run.status == "failed":
            message = run.error.message if run.error else "The run failed."
            yield from self._end_step()
            yield _chunk("error", errorText=message)
            yield from self._stop()
        else:
            reason = (
                _FINISH.get(run.incomplete_reason, "other") if run.incomplete_reason else "stop"
            )
            yield from self._finish(reason, run)

    def _finish(self, reason: str, run: Run | None) -> Iterator[bytes]:
        yield from self._end_step()
        told = {"run_id": self._run_id, "usage": _usage(run.usage if run else self._log.usage)}
        if run and run.incomplete_reason:
            told["incomplete_reason"] = run.incomplete_reason
        yield _chunk("finish", finishReason=reason, messageMetadata={"outlast": told})
        yield from self._stop()

    def _stop(self) -> Iterator[bytes]:
        self._is_finished = True
        yield _DONE

    def _name(self, call_id: str) -> str:
        return name_of_call("call", self._run_id, call_id)


def message_id(run_id: str) -> str:
    """Name the message that all of a run's answers are."""
    return name_of("msg", run_id)


def output_of(done: ToolCallCompleted) -> Any:
    """Return what a tool's part of a message has as its output: a text, or parts."""
    return [part.model_dump(exclude_none=True) for part in done.parts or ()] or done.output


def client_output(text: str) -> Any:
    """Return what a client had sent as its tool's output: objects and lists went as JSON."""
    if text.startswith(("{", "[")):
        with suppress(ValueError):
            return from_json(text)
    return text


def _usage(usage: Usage) -> dict[str, Any]:
    return usage.model_dump(mode="json", exclude_none=True)


def _chunk(kind: str, **fields: Any) -> bytes:
    return frame({"type": kind, **fields})
