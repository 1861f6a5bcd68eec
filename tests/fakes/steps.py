"""The loop's `Steps` without Restate: results come from a script, and everything is written down.

A step takes its result from the script by its own name, so the same script gives the same results
again, as a journal does on replay.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.events import AnyEvent
from shared.protocol import Run, RunError, RunErrorType, Time, Usage
from worker.loop import ModelCall, PlannedCall
from worker.records import (
    ModelFault,
    ModelOutcome,
    ModelRecord,
    Pin,
    PinnedTool,
    PinOutcome,
    RequestedCall,
    StoredMessage,
    ToolRecord,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return the time so many seconds after noon, when runs are created here."""
    return NOON + timedelta(seconds=seconds)


def pin(*tools: str, max_turns: int = 20, model_retry_for_s: float = 600) -> Pin:
    """Make the pin of an agent; the loop asks only for the names of its tools."""
    return Pin(
        at=after(1),
        digest="d",
        instructions="Be brief.",
        model="openai/x",
        model_options={},
        tools=[PinnedTool(name=name, description="…", parameters={}) for name in tools],
        max_turns=max_turns,
        model_retry_for_s=model_retry_for_s,
    )


def answer(
    text: str = "",
    *calls: tuple[str, str],
    at_s: float = 2,
    finish_reason: str | None = None,
    usage: Usage | None = None,
) -> ModelRecord:
    """Make a model's answer: a text, and tool calls as names and JSON texts."""
    return ModelRecord(
        text=text,
        calls=[RequestedCall(name=name, arguments=arguments) for name, arguments in calls],
        finish_reason=finish_reason or ("tool_calls" if calls else "stop"),
        usage=usage or Usage(model_calls=1),
        model="x-2026",
        started_at=after(at_s - 1),
        ended_at=after(at_s),
    )


def model_fault(
    retry_after_s: float | None,
    *,
    kind: RunErrorType = "model-unavailable",
    at_s: float = 2,
) -> ModelFault:
    """Make a model call that gave no answer, one second long."""
    return ModelFault(
        error=RunError(type=kind, message="no answer", retryable=retry_after_s is not None),
        retry_after_s=retry_after_s,
        started_at=after(at_s - 1),
        ended_at=after(at_s),
    )


def result(output: str, *, at_s: float = 3, is_error: bool = False) -> ToolRecord:
    """Make a tool's result, half a second long."""
    return ToolRecord(
        output=output, is_error=is_error, started_at=after(at_s - 0.5), ended_at=after(at_s)
    )


@dataclass
class FakeSteps:
    """A script of results, and a record of what the loop did.

    Args:
        model: What each model call gives, in order.
        tools: What tool calls give, by call id; a turn's calls end in the order given here.
        raising: What a step raises instead, by its name in `log`.
        history: The conversation on the thread so far.
    """

    model: Sequence[ModelOutcome] = ()
    tools: Mapping[str, ToolRecord] = field(default_factory=dict[str, ToolRecord])
    raising: Mapping[str, Exception] = field(default_factory=dict[str, Exception])
    history: Sequence[StoredMessage] = ()
    pinned: PinOutcome = field(default_factory=pin)
    cancel_asked_at: Time | None = None

    log: list[str] = field(default_factory=list[str])
    """Every step, event and save, by name, in order."""
    events: list[AnyEvent] = field(default_factory=list[AnyEvent])
    saved: list[Run] = field(default_factory=list[Run])
    sleeps: list[float] = field(default_factory=list[float])
    calls: list[ModelCall] = field(default_factory=list[ModelCall])
    planned: list[PlannedCall] = field(default_factory=list[PlannedCall])
    left: list[tuple[list[StoredMessage], Time]] = field(
        default_factory=list[tuple[list[StoredMessage], Time]]
    )

    async def sleep(self, delay: timedelta) -> None:
        self.sleeps.append(delay.total_seconds())
        self._enter("sleep")

    async def take_turn(self) -> list[StoredMessage]:
        self._enter("take_turn")
        return list(self.history)

    async def pin(self) -> PinOutcome:
        self._enter("pin")
        return self.pinned

    async def call_model(self, call: ModelCall) -> ModelOutcome:
        self.calls.append(call)
        self._enter(f"model {call.turn}.{call.attempt}")
        return self.model[len(self.calls) - 1]

    async def call_tools(
        self, calls: Sequence[PlannedCall]
    ) -> AsyncIterator[tuple[PlannedCall, ToolRecord]]:
        self.planned += calls
        by_id = {call.call_id: call for call in calls}
        for call_id, record in self.tools.items():
            if call_id in by_id:
                self._enter(f"tool {call_id}")
                yield by_id.pop(call_id), record
        if by_id:
            raise AssertionError(f"the script has no result for {sorted(by_id)}")

    def emit(self, event: AnyEvent) -> None:
        self.events.append(event)
        self._enter(event.type)

    def save(self, run: Run) -> None:
        self.saved.append(run)
        self._enter(f"save {run.status}")

    def leave_thread(self, items: Sequence[StoredMessage], at: Time) -> None:
        self.left.append((list(items), at))
        self._enter("leave_thread")

    async def cancelled_at(self) -> Time | None:
        self._enter("cancelled_at")
        return self.cancel_asked_at

    def _enter(self, name: str) -> None:
        self.log.append(name)
        if name in self.raising:
            raise self.raising[name]
