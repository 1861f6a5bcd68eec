"""A run as AG-UI's events: what an AG-UI client builds its list of messages of.

One run of theirs covers a segment of ours. Events have no field that the protocol lacks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import JsonValue

from outlast.events import (
    ApprovalRequested,
    MessageCompleted,
    RunWaiting,
    TerminalEvent,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
    TurnStarted,
)
from outlast.live import Kind
from outlast.protocol import Run, Usage
from outlast_app.facades.ag_ui.messages import shown_arguments, shown_content
from outlast_app.facades.ag_ui.outcomes import interrupt, interrupt_below, usage_of
from outlast_app.facades.ag_ui.shown import ClientMessages, Shown
from outlast_app.facades.called import CalledApproval, decided
from outlast_app.facades.elsewhere import Elsewhere
from outlast_app.facades.items import Committed, Item, Progress, Retract, Text, text_of
from outlast_app.facades.segments import RunLog
from outlast_app.facades.streams import frame

PROTOCOL_VERSION = "1.0"


@dataclass(frozen=True)
class AgUiRun:
    """What a client calls this, and what it is told beside.

    Attributes:
        warnings: What of the request was not done, in sentences.
        comes_again: The client's list may not be what it was: it gets it before all else.
        answered: Keys of what the client has just answered. A wait for nothing else is over in a
            moment, and its end no end for the client.
    """

    thread_id: str
    run_id: str
    parent_run_id: str | None = None
    warnings: Sequence[str] = ()
    comes_again: bool = False
    answered: frozenset[str] = frozenset()


class AgUiEncoder:
    """Says what a run is as events, from a segment on, to a segment's end."""

    shows_called: ClassVar[bool] = True

    def __init__(
        self, run_id: str, asked: AgUiRun, messages: ClientMessages, first: int = 1, last: int = 1
    ) -> None:
        """Begin before the run's first event.

        Args:
            run_id: The run.
            asked: What its client calls it.
            messages: What its client has.
            first: The segment that is told first.
            last: The one that is told last. Those before are told as if nobody had waited.
        """
        self._run_id = run_id
        self._asked = asked
        self._messages = messages
        self._first, self._last = first, max(first, last)
        self._log = RunLog(takes_approvals=True)
        self._elsewhere = Elsewhere(run_id)
        self._shown: dict[str, None] = {}
        """Calls that the client knows of, now or from an earlier segment, in that order."""
        self._ended: set[str] = set()
        """Of those, what runs below have asked, and ask no longer."""
        self._usage: dict[str, Usage] = {}
        self._open: set[Kind] = set()
        self._turn = 0
        self._step: str | None = None
        self._speaks = False
        self._is_finished = False

    @property
    def is_over(self) -> bool:
        """Whether all was said."""
        return self._is_finished

    def begin(self) -> bytes:
        """Return the first events, which need to know nothing of the run."""
        ids = {"threadId": self._asked.thread_id, "runId": self._asked.run_id}
        if self._asked.parent_run_id:
            ids["parentRunId"] = self._asked.parent_run_id
        started = _event("RUN_STARTED", **ids, protocolVersion=PROTOCOL_VERSION)
        warned = [_custom("warning", message=each) for each in self._asked.warnings]
        return b"".join([started, _custom("run", run_id=self._run_id), *warned])

    def take(self, item: Item) -> Iterator[bytes]:
        """Return the events that follow from an item."""
        if isinstance(item, Committed):
            # A wait ends with the event that follows it: that one begins the next segment.
            self._log.take(item.event)
            if self._is_mine:
                yield from self._begin_to_speak()
            said = [*self._hear_called(item), *self._hear(item)]
            if self._is_mine:
                yield from said
        elif self._is_mine and not self._log.is_over:
            yield from self._begin_to_speak()
            yield from self._tell(item)

    def end(self) -> Iterator[bytes]:
        """Say that this is not the end: a client takes a stream that just stops for one."""
        if not self._is_finished:
            yield _event(
                "RUN_ERROR",
                message="The connection ended, the run goes on. Send the same messages again.",
                code="connection-ended",
            )

    @property
    def _is_mine(self) -> bool:
        return self._log.segment >= self._first

    def _begin_to_speak(self) -> Iterator[bytes]:
        if self._speaks:
            return
        self._speaks = True
        self._step = None
        if self._asked.comes_again:
            yield self._snapshot()

    def _tell(self, item: Item) -> Iterator[bytes]:
        match item:
            case Text(turn, kind, delta):
                yield from self._begin_step(turn)
                yield from self._write(kind, delta)
            case Retract(turn):
                yield from self._close()
                self._messages.forget(turn)
                yield self._snapshot()
            case Progress(call_id, done, total, message) if call_id in self._shown:
                said = {"done": done, "total": total, "message": message}
                known = {name: value for name, value in said.items() if value is not None}
                yield _custom("progress", toolCallId=self._messages.name_of_call(call_id), **known)
            case _:
                pass

    def _hear_called(self, item: Committed) -> Iterator[bytes]:
        """Tell what runs below ask, and what takes more than a yes or no."""
        for name, about in self._elsewhere.take(item):
            yield _custom("approval", id=name, **about)
        for called in item.called:
            if called.is_yes_or_no and called.is_open:
                yield from self._show(called.key, self._log.turn, called.name, called.arguments)
            # Before what is told nothing counts but the run's own word: the client heard no other.
            is_over = not called.is_asked if self._is_mine else not called.is_open
            if called.key in self._shown and is_over:
                yield from self._end_called(called)

    def _end_called(self, called: CalledApproval) -> Iterator[bytes]:
        if called.key not in self._ended:
            self._ended.add(called.key)
            yield from self._show_result(called.key, called.end)

    def _hear(self, item: Committed) -> Iterator[bytes]:
        match event := item.event:
            case TurnStarted():
                yield from self._begin_step(event.turn)
            case MessageCompleted():
                yield from self._complete_turn(event)
            case ToolCallStarted() | ToolCallRequested():
                yield from self._show_call(event.call_id)
            case ApprovalRequested(call_id=str(call_id)) if event.reason == "approval":
                yield from self._show_call(call_id)
            case ToolCallCompleted():
                yield from self._complete_call(event)
            case RunWaiting() if self._log.is_over and event.segment >= self._last:
                if not self._log.asked <= self._asked.answered | decided(item.called):
                    yield from self._wait(item.called)
            case _ if isinstance(event, TerminalEvent):
                yield from self._end_with(event.run)
            case _:
                pass

    def _begin_step(self, turn: int) -> Iterator[bytes]:
        self._turn = turn
        name = f"turn {turn}"
        if self._step != name:
            yield from self._end_step()
            self._step = name
            yield _event("STEP_STARTED", stepName=name)

    def _end_step(self) -> Iterator[bytes]:
        yield from self._close()
        if self._step:
            yield _event("STEP_FINISHED", stepName=self._step)
            self._step = None

    def _write(self, kind: Kind, delta: str) -> Iterator[bytes]:
        if kind == "reasoning":
            message_id = self._messages.name_of_reasoning(self._turn)
            self._messages.think(self._turn, delta)
        else:
            yield from self._close("reasoning")
            message_id = self._messages.name_of_answer(self._turn)
        if kind not in self._open:
            self._open.add(kind)
            if kind == "reasoning":
                yield _event("REASONING_START", messageId=message_id)
                yield _event("REASONING_MESSAGE_START", messageId=message_id, role="reasoning")
            else:
                yield _event("TEXT_MESSAGE_START", messageId=message_id, role="assistant")
        name = "REASONING_MESSAGE_CONTENT" if kind == "reasoning" else "TEXT_MESSAGE_CONTENT"
        yield _event(name, messageId=message_id, delta=delta)

    def _close(self, *kinds: Kind) -> Iterator[bytes]:
        for kind in kinds or ("reasoning", "text"):
            if kind not in self._open:
                continue
            self._open.remove(kind)
            if kind == "text":
                message_id = self._messages.name_of_answer(self._turn)
                yield _event("TEXT_MESSAGE_END", messageId=message_id)
            else:
                message_id = self._messages.name_of_reasoning(self._turn)
                yield _event("REASONING_MESSAGE_END", messageId=message_id)
                yield _event("REASONING_END", messageId=message_id)

    def _complete_turn(self, event: MessageCompleted) -> Iterator[bytes]:
        yield from self._begin_step(event.turn)
        yield from self._close()
        if text := text_of(event.message.content):
            self._messages.say(event.turn, text)
        if self._is_mine:
            used = self._usage.get(event.model, Usage())
            self._usage[event.model] = used + event.usage

    def _show_call(self, call_id: str) -> Iterator[bytes]:
        call = self._log.calls[call_id]
        yield from self._show(call_id, call.turn, call.name, call.arguments)

    def _show(
        self, key: str, turn: int, name: str, arguments: Mapping[str, JsonValue]
    ) -> Iterator[bytes]:
        if key in self._shown:
            return
        self._shown[key] = None
        yield from self._begin_step(turn)
        written = shown_arguments(arguments)
        message_id = self._messages.call(key, turn, name, written)
        call_id = self._messages.name_of_call(key)
        yield _event(
            "TOOL_CALL_START", toolCallId=call_id, toolCallName=name, parentMessageId=message_id
        )
        yield _event("TOOL_CALL_ARGS", toolCallId=call_id, delta=written)
        yield _event("TOOL_CALL_END", toolCallId=call_id)

    def _complete_call(self, done: ToolCallCompleted) -> Iterator[bytes]:
        # One that never started, since its arguments were wrong, say, was asked for nevertheless.
        yield from self._show_call(done.call_id)
        yield from self._show_result(done.call_id, shown_content(done.parts or done.output))

    def _show_result(self, key: str, content: str | list[Shown]) -> Iterator[bytes]:
        if self._messages.has_result(key):
            return
        self._messages.complete(key, content)
        yield _event(
            "TOOL_CALL_RESULT",
            messageId=self._messages.name_of_result(key),
            toolCallId=self._messages.name_of_call(key),
            content=content,
            role="tool",
        )

    def _wait(self, called: Sequence[CalledApproval]) -> Iterator[bytes]:
        """End with what the client is asked for: decisions first, since they must all be given."""
        if self._log.decisions:
            own = [interrupt(self._run_id, each) for each in self._log.open_decisions]
            asked = (each for each in called if each.is_asked and each.is_yes_or_no)
            interrupts = [*own, *(interrupt_below(self._run_id, each) for each in asked)]
            yield from self._finish({"type": "interrupt", "interrupts": interrupts})
        else:
            still_open = {call.call_id for call in self._log.open_calls}
            names = [
                self._messages.name_of_call(each) for each in self._shown if each in still_open
            ]
            yield from self._finish({"type": "success", "pendingToolCallIds": names})

    def _end_with(self, run: Run) -> Iterator[bytes]:
        match run.status:
            case "failed":
                yield from self._end_step()
                self._is_finished = True
                yield _event(
                    "RUN_ERROR",
                    message=run.error.message if run.error else "The run failed.",
                    code=run.error.type if run.error else "internal",
                    usage=usage_of(self._usage),
                )
            case "cancelled":
                yield from self._finish({"type": "cancelled"})
            case "incomplete":
                result = {"incomplete_reason": run.incomplete_reason, "output": run.output}
                yield from self._finish({"type": "success"}, result)
            case _:
                yield from self._finish({"type": "success"}, run.output)

    def _finish(self, outcome: dict[str, Any], result: Any = None) -> Iterator[bytes]:
        yield from self._end_step()
        self._is_finished = True
        yield _event(
            "RUN_FINISHED",
            threadId=self._asked.thread_id,
            runId=self._asked.run_id,
            outcome=outcome,
            **({} if result is None else {"result": result}),
            usage=usage_of(self._usage),
        )

    def _snapshot(self) -> bytes:
        return _event("MESSAGES_SNAPSHOT", messages=self._messages.snapshot())


def _event(kind: str, /, **fields: Any) -> bytes:
    return frame({"type": kind, **fields})


def _custom(kind: str, /, **value: Any) -> bytes:
    return _event("CUSTOM", name=f"outlast.{kind}", value=value)
