"""Conversations that come from outside, made such that every model's API takes them."""

from collections.abc import Iterator, Sequence

from outlast.protocol import InputMessage, results_by_call

NO_RESULT = "Nobody has given a result of this call."


def whole(messages: Sequence[InputMessage]) -> list[InputMessage]:
    """Put each call's result right after it, in the order of the calls; give one where none is.

    Raises:
        ValueError: A result has no call, or a call has several.
    """
    return [*_in_order(messages)]


def _in_order(messages: Sequence[InputMessage]) -> Iterator[InputMessage]:
    results = results_by_call(messages)
    for position, message in enumerate(messages):
        if message.role == "tool":
            continue
        yield message
        for call in message.tool_calls or ():
            yield results.get((position, call.call_id)) or InputMessage(
                role="tool", call_id=call.call_id, content=NO_RESULT, is_error=True
            )
