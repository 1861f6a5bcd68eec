"""To whom a conversation was handed over, as its messages tell."""

from collections.abc import Iterable

from outlast.names import RunRef
from outlast.protocol import Message


def speakers_in(messages: Iterable[Message]) -> dict[str, str]:
    """Return who took over last, by the agent that the run was of."""
    return {
        RunRef("", message.run_id).agent: message.handed_over_to
        for message in messages
        if message.handed_over_to
    }
