"""Events of a run: committed ones, numbered from 1 without a gap, and live ones, without a number.

Committed events follow from journaled values alone, so a replay emits the same ones with the same
numbers. Live events are previews of what will be committed, and may be lost.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from outlast.protocol import Message, Run, Time, Usage, Wire


class Event(Wire):
    """Base of every committed event."""

    run_id: str
    seq: int


class RunQueued(Event):
    type: Literal["run.queued"] = "run.queued"


class RunStarted(Event):
    type: Literal["run.started"] = "run.started"


class TurnStarted(Event):
    type: Literal["turn.started"] = "turn.started"
    turn: int


class MessageCompleted(Event):
    type: Literal["message.completed"] = "message.completed"
    turn: int
    message: Message
    usage: Usage
    model: str
    finish_reason: str


class ToolCallStarted(Event):
    type: Literal["tool_call.started"] = "tool_call.started"
    turn: int
    call_id: str
    name: str
    arguments: dict[str, JsonValue]


class ToolCallCompleted(Event):
    """Comes in the order in which calls finished."""

    type: Literal["tool_call.completed"] = "tool_call.completed"
    call_id: str
    name: str
    is_error: bool
    output: str
    duration_ms: int


class ApprovalRequested(Event):
    type: Literal["approval.requested"] = "approval.requested"
    call_id: str
    name: str
    arguments: dict[str, JsonValue]
    reason: Literal["approval"] = "approval"
    expires_at: Time | None = None


class ApprovalResolved(Event):
    """`arguments` are those that a person put in place of the model's."""

    type: Literal["approval.resolved"] = "approval.resolved"
    call_id: str
    action: Literal["approve", "reject", "expired"]
    by: str | None = None
    at: Time
    reason: str | None = None
    arguments: dict[str, JsonValue] | None = None


class SteerReceived(Event):
    type: Literal["steer.received"] = "steer.received"
    message: Message


class RunCompleted(Event):
    type: Literal["run.completed"] = "run.completed"
    run: Run


class RunIncomplete(Event):
    type: Literal["run.incomplete"] = "run.incomplete"
    run: Run


class RunFailed(Event):
    type: Literal["run.failed"] = "run.failed"
    run: Run


class RunCancelled(Event):
    type: Literal["run.cancelled"] = "run.cancelled"
    run: Run


TerminalEvent = RunCompleted | RunIncomplete | RunFailed | RunCancelled
AnyEvent = Annotated[
    RunQueued
    | RunStarted
    | TurnStarted
    | MessageCompleted
    | ToolCallStarted
    | ToolCallCompleted
    | ApprovalRequested
    | ApprovalResolved
    | SteerReceived
    | TerminalEvent,
    Field(discriminator="type"),
]
ANY_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

TERMINAL_EVENTS: dict[str, type[TerminalEvent]] = {
    "completed": RunCompleted,
    "incomplete": RunIncomplete,
    "failed": RunFailed,
    "cancelled": RunCancelled,
}


def terminal_event(run: Run, seq: int) -> TerminalEvent:
    """Return the event that ends the stream of a run that has ended."""
    return TERMINAL_EVENTS[run.status](
        run_id=run.run_id, seq=seq, run=run.model_copy(update={"messages": None})
    )


class LiveEvent(Wire):
    """Base of every live event."""

    run_id: str


class MessageReset(LiveEvent):
    """A model call begins: forget the text of this turn."""

    type: Literal["message.reset"] = "message.reset"
    turn: int
    attempt: int


class MessageDelta(LiveEvent):
    """More of the text. `n` counts 0, 1, … within an attempt, over both kinds of delta."""

    type: Literal["message.delta"] = "message.delta"
    turn: int
    attempt: int
    n: int
    text: str


class ReasoningDelta(LiveEvent):
    type: Literal["reasoning.delta"] = "reasoning.delta"
    turn: int
    attempt: int
    n: int
    text: str


class MessageSnapshot(LiveEvent):
    """All of the turn's text so far. `n` is the number of the next delta."""

    type: Literal["message.snapshot"] = "message.snapshot"
    turn: int
    attempt: int
    n: int
    text: str
    reasoning: str


class ToolCallProgress(LiveEvent):
    type: Literal["tool_call.progress"] = "tool_call.progress"
    call_id: str
    done: float
    total: float | None = None
    message: str | None = None


AnyLiveEvent = Annotated[
    MessageReset | MessageDelta | ReasoningDelta | MessageSnapshot | ToolCallProgress,
    Field(discriminator="type"),
]
