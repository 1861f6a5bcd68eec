"""A run as chunks of the AI SDK's UI message stream: what `useChat` builds a message of.

All segments of a run are one message, `msg_{run}`: an answer that goes on after a decision or a
client's result stays the same message. Chunks are strict objects for the SDK's version 6, so none
has a field that it does not know.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from outlast.events import (
    MessageCompleted,
    ReadEvent,
    RunWaiting,
    TerminalEvent,
    TurnStarted,
)
from outlast.live import Kind
from outlast.protocol import Run, Usage
from outlast_app.facades.ai_sdk.calls import ShownCalls, chunk
from outlast_app.facades.called import decided
from outlast_app.facades.elsewhere import Elsewhere
from outlast_app.facades.ids import name_of
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

    shows_called: ClassVar[bool] = True

    def __init__(
        self,
        run_id: str,
        first: int,
        last: int | None = None,
        *,
        begins: int = 1,
        answered: frozenset[str] = frozenset(),
    ) -> None:
        """Begin before the run's first event.

        Args:
            run_id: The run.
            first: The segment with which the client's message goes on; 1 for all of the message.
            last: The segment at whose end the stream ends; by default the first. Those before it
                are told as if nobody had waited.
            begins: The segment that the message begins with: it shows nothing of what came before.
            answered: Keys of what the client has just answered. A wait for nothing else is over in
                a moment, and its end no end for the client.
        """
        self._answered = answered
        self._begins = begins
        self._run_id = run_id
        self._first, self._last = first, first if last is None else last
        self._log = RunLog(takes_approvals=True)
        self._elsewhere = Elsewhere(run_id)
        self._open: dict[Kind, str] = {}
        """The parts that are being written, by their ids."""
        self._parts: dict[tuple[Kind, int], int] = {}
        """How many parts there were of a turn."""
        self._is_in_step = False
        self._calls = ShownCalls(run_id)
        self._is_finished = False

    @property
    def is_over(self) -> bool:
        """Whether all was said."""
        return self._is_finished

    def begin(self) -> bytes:
        """Return the first chunk, which needs to know nothing of the run."""
        numbers = [self._begins] if self._begins > 1 else []
        return frame({"type": "start", "messageId": name_of("msg", self._run_id, *numbers)})

    def take(self, item: Item) -> Iterator[bytes]:
        """Return the chunks that follow from an item."""
        if isinstance(item, Committed):
            yield from self._hear(item)
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
                yield chunk(f"{kind}-delta", id=self._open[kind], delta=delta)
            case Retract():
                yield from self._close("reasoning", RETRACTED)
                yield from self._close("text", RETRACTED)
            case Progress():
                yield from self._calls.tell(item)
            case _:
                pass

    def _hear(self, item: Committed) -> Iterator[bytes]:
        # A wait ends with the event that follows it: that one begins the next segment.
        self._log.take(item.event)
        elsewhere = [*self._elsewhere.take(item)]
        if not self._is_mine:
            if self._log.segment >= self._begins:
                self._calls.note(item)
            return
        for name, data in elsewhere:
            yield chunk("data-outlast-approval", id=name, data=data)
        yield from self._calls.take(item, self._log)
        yield from self._hear_own(item.event, decided(item.called))

    def _hear_own(self, event: ReadEvent, decided_below: set[str]) -> Iterator[bytes]:
        match event:
            case TurnStarted():
                yield from self._end_step()
                yield from self._begin_step()
            case MessageCompleted():
                yield from self._close("reasoning")
                yield from self._close("text")
            case RunWaiting() if self._log.is_over and event.segment >= self._last:
                if not self._log.asked <= self._answered | decided_below:
                    yield from self._calls.settle(self._log)
                    yield from self._finish("tool-calls", None)
            case _ if isinstance(event, TerminalEvent):
                yield from self._end_with(event.run)
            case _:
                pass

    def _begin_step(self) -> Iterator[bytes]:
        if not self._is_in_step:
            self._is_in_step = True
            yield chunk("start-step")

    def _end_step(self) -> Iterator[bytes]:
        yield from self._close("reasoning")
        yield from self._close("text")
        if self._is_in_step:
            self._is_in_step = False
            yield chunk("finish-step")

    def _open_part(self, kind: Kind, turn: int) -> bytes:
        number = self._parts[kind, turn] = self._parts.get((kind, turn), 0) + 1
        name = name_of(_PREFIXES[kind], self._run_id, turn)
        self._open[kind] = name if number == 1 else f"{name}~{number}"
        return chunk(f"{kind}-start", id=self._open[kind])

    def _close(self, kind: Kind, metadata: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        if part_id := self._open.pop(kind, None):
            yield chunk(
                f"{kind}-end",
                id=part_id,
                **({"providerMetadata": metadata} if metadata else {}),
            )

    def _end_with(self, run: Run) -> Iterator[bytes]:
        if run.status == "cancelled":
            yield from self._end_step()
            yield chunk("abort")
            yield from self._stop()
        elif run.status == "failed":
            message = run.error.message if run.error else "The run failed."
            yield from self._end_step()
            yield chunk("error", errorText=message)
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
        yield chunk("finish", finishReason=reason, messageMetadata={"outlast": told})
        yield from self._stop()

    def _stop(self) -> Iterator[bytes]:
        self._is_finished = True
        yield _DONE


def message_id(run_id: str) -> str:
    """Name the message that all of a run's answers are."""
    return name_of("msg", run_id)


def _usage(usage: Usage) -> dict[str, Any]:
    return usage.model_dump(mode="json", exclude_none=True)
