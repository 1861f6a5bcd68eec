"""Rebuilds what a run has said from its committed events: one that was killed can't say it."""

from collections.abc import Sequence

from outlast.contract import RunOrder, SteeringMessage
from outlast.events import (
    ApprovalResolved,
    HandedOver,
    MessageCompleted,
    OutputRejected,
    ReadEvent,
    SteerReceived,
    ToolCallCompleted,
    TurnStarted,
)
from outlast.protocol import Message, Resolution, Run
from outlast_worker.engine.records import StoredMessage, rest_of

_UNFINISHED = "The run was killed before this call finished; it may or may not have run."


def messages_so_far(order: RunOrder, run: Run, events: Sequence[ReadEvent]) -> list[Message]:
    """Return the input and whatever was committed, as the run itself will say it at its end."""
    said, unfinished = _conversation(order, run, events)
    return [message for place, message in enumerate(said) if place not in unfinished]


def messages_before_turn(
    order: RunOrder, run: Run, events: Sequence[ReadEvent], turn: int
) -> list[Message] | None:
    """Return what this run had said and heard when its turn began; None if it never did."""
    for index, event in enumerate(events):
        if isinstance(event, TurnStarted) and event.turn == turn:
            said, _ = _conversation(order, run, events[:index])
            return said
    return None


def salvage_messages(
    order: RunOrder, run: Run, events: Sequence[ReadEvent], steering: Sequence[SteeringMessage]
) -> list[StoredMessage]:
    """Return what a killed run has said, and steering messages that it never read.

    A run that never held its thread has said nothing, but it may have taken messages.
    """
    said, _ = _conversation(order, run, events)
    read = {message.id for message in said}
    said += [
        Message(
            id=f"{unread.message_id}.{index}",
            role=message.role,
            content=message.content,
            run_id=order.run_id,
            created_at=unread.at,
            **rest_of(message),
        )
        for unread in steering
        if unread.message_id not in read
        for index, message in enumerate(unread.input)
    ]
    return [StoredMessage(**message.model_dump()) for message in said]


def _conversation(
    order: RunOrder, run: Run, events: Sequence[ReadEvent]
) -> tuple[list[Message], set[int]]:
    """Return what was said, and which of it are made-up results of calls that go on.

    Each call has a result, so that it is valid for a model's API.
    """
    unfinished: set[int] = set()
    results = {event.call_id: event for event in events if isinstance(event, ToolCallCompleted)}
    taken = {event.call_id: event.to for event in events if isinstance(event, HandedOver)}
    said: list[Message] = [
        Message(
            id=message.id or f"{order.run_id}:{index}",
            role=message.role,
            content=message.content,
            run_id=order.run_id,
            created_at=order.created_at,
            **rest_of(message),
        )
        for index, message in enumerate(order.input, start=1)
        if run.started_at
    ]
    resolutions = {
        event.call_id: Resolution(**event.model_dump(exclude={"run_id", "seq", "type"}))
        for event in events
        if isinstance(event, ApprovalResolved) and event.approval_id in (None, event.call_id)
    }
    for event in events:
        if isinstance(event, SteerReceived | OutputRejected):
            said.append(event.message)
        if not isinstance(event, MessageCompleted):
            continue
        said.append(event.message)
        for call in event.message.tool_calls or []:
            result = results.get(call.call_id)
            if result is None:
                unfinished.add(len(said))
            said.append(
                Message(
                    id=f"{order.run_id}:{len(said) + 1}",
                    role="tool",
                    content=(result.parts or result.output) if result else _UNFINISHED,
                    call_id=call.call_id,
                    is_error=result.is_error if result else True,
                    approval=resolutions.get(call.call_id),
                    handed_over_to=taken.get(call.call_id),
                    run_id=order.run_id,
                    created_at=event.message.created_at,
                )
            )
    return said, unfinished
