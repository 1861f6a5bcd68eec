"""Rebuilds what a killed run said from its committed events: it could not write it itself."""

from collections.abc import Sequence

from shared.contract import RunOrder
from shared.events import AnyEvent, MessageCompleted, ToolCallCompleted
from shared.protocol import Message
from worker.records import StoredMessage

_UNFINISHED = "The run was killed before this call finished; it may or may not have run."


def salvage_messages(order: RunOrder, events: Sequence[AnyEvent]) -> list[StoredMessage]:
    """Return the input and whatever was committed.

    Each tool call has a result, so that the conversation stays valid for a model's API.
    """
    results = {event.call_id: event for event in events if isinstance(event, ToolCallCompleted)}
    said: list[Message] = [
        Message(
            id=f"{order.run_id}:{index}",
            role=message.role,
            content=message.content,
            run_id=order.run_id,
            created_at=order.created_at,
        )
        for index, message in enumerate(order.input, start=1)
    ]
    for event in events:
        if not isinstance(event, MessageCompleted):
            continue
        said.append(event.message)
        for call in event.message.tool_calls or []:
            result = results.get(call.call_id)
            said.append(
                Message(
                    id=f"{order.run_id}:{len(said) + 1}",
                    role="tool",
                    content=result.output if result else _UNFINISHED,
                    call_id=call.call_id,
                    is_error=result.is_error if result else True,
                    run_id=order.run_id,
                    created_at=event.message.created_at,
                )
            )
    return [StoredMessage(**message.model_dump()) for message in said]
