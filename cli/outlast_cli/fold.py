"""What a model has said so far, turn by turn, folded from a run's events. Pure.

Live events are previews: a committed message takes their place, and what comes after it late
changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outlast.events import (
    AnyEvent,
    AnyLiveEvent,
    MessageCompleted,
    MessageDelta,
    MessageReset,
    MessageSnapshot,
)
from outlast.protocol import Content, TextPart


@dataclass(frozen=True)
class Texts:
    """The text of each turn, and the turns whose text is final."""

    by_turn: Mapping[int, str] = field(default_factory=dict[int, str])
    completed: frozenset[int] = frozenset()

    @property
    def unfinished(self) -> str:
        """The text that may still change."""
        turns = sorted(set(self.by_turn) - self.completed)
        return "\n".join(self.by_turn[turn] for turn in turns)


def fold(texts: Texts, event: AnyEvent | AnyLiveEvent) -> Texts:
    """Return the texts after one more event."""
    match event:
        case MessageCompleted(turn=turn):
            said = text_of(event.message.content)
            return Texts({**texts.by_turn, turn: said}, texts.completed | {turn})
        case MessageReset(turn=turn) | MessageDelta(turn=turn) | MessageSnapshot(turn=turn):
            if turn in texts.completed:
                return texts
            return Texts({**texts.by_turn, turn: _preview(texts, event)}, texts.completed)
        case _:
            return texts


def text_of(content: Content) -> str:
    """Return the words of a message."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, TextPart))


def _preview(texts: Texts, event: MessageReset | MessageDelta | MessageSnapshot) -> str:
    match event:
        case MessageReset():
            return ""
        case MessageSnapshot():
            return event.text
        case MessageDelta():
            return texts.by_turn.get(event.turn, "") + event.text
