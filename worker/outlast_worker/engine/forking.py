"""Where a run can be gone on from: after a turn of which all is known that came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from outlast.contract import RunOrder
from outlast.events import MessageCompleted, ReadEvent, ToolCallCompleted, TurnStarted
from outlast.protocol import Message, Run
from outlast_worker.engine.salvage import messages_before_turn, messages_so_far

_BROKEN_OFF = "cancelled"


@dataclass(frozen=True)
class Turns:
    """A run's turns.

    Attributes:
        answers: The model's whole answers, by turn.
        open_calls: Calls without a result, by turn.
    """

    answers: dict[int, Message]
    open_calls: dict[int, list[str]]

    @property
    def last_whole(self) -> int:
        """The last turn of which nothing is open; 0 if there is none."""
        return max((turn for turn in self.answers if turn not in self.open_calls), default=0)

    def is_whole(self, turn: int) -> bool:
        """Tell whether all is known that came of a turn. Before the first one, all is."""
        return turn == 0 or (turn in self.answers and turn not in self.open_calls)


def turns_of(events: Sequence[ReadEvent]) -> Turns:
    """Read a run's turns from what it has committed."""
    results = {event.call_id for event in events if isinstance(event, ToolCallCompleted)}
    answers = {
        event.turn: event.message
        for event in events
        if isinstance(event, MessageCompleted) and event.finish_reason != _BROKEN_OFF
    }
    missing = {
        turn: [call.call_id for call in message.tool_calls or () if call.call_id not in results]
        for turn, message in answers.items()
    }
    return Turns(answers, {turn: call_ids for turn, call_ids in missing.items() if call_ids})


def messages_after_turn(
    order: RunOrder, run: Run, events: Sequence[ReadEvent], turn: int
) -> list[Message]:
    """Return what a run had said and heard when it went on after a turn, or would have."""
    began = {event.turn for event in events if isinstance(event, TurnStarted)}
    if turn + 1 in began:
        return messages_before_turn(order, run, events, turn + 1) or []
    return messages_so_far(order, run, events)
