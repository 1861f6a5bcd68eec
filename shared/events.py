"""Committed events: what happened in a run, numbered from 1 without a gap.

They follow from journaled values alone, so a replay emits the same ones with the same numbers.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from shared.protocol import Message, Run, Usage, Wire


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
