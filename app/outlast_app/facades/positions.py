"""Places in the stream of a run, as protocols name them to clients that come back.

No piece of an answer is stored anywhere. So a place within a text that is being written is how
long the text was, and a check of it: whoever resumes there compares, and goes on, or takes the text
back.
"""

from dataclasses import dataclass
from zlib import crc32

MAX_CHARS = 65_531
"""How far a number reaches within a live text; the rest of a longer one comes with its commit."""

_WITHIN_BITS = 21
_SETTLED = 1 << 20
_SLOTS = 1 << 4  # a check has four bits
_MAX_TURN = (1 << 10) - 1


def check_of(text: str) -> int:
    """Return what tells texts of one length apart, most likely."""
    return crc32(text.encode(errors="replace")) & (_SLOTS - 1)


class RunningCheck:
    """The check of a text that grows."""

    def __init__(self) -> None:
        self.chars = 0
        self._crc = 0

    def add(self, text: str) -> None:
        """Go on with more of it."""
        self.chars += len(text)
        self._crc = crc32(text.encode(errors="replace"), self._crc)

    @property
    def check(self) -> int:
        """What `check_of` returns for all of it."""
        return self._crc & (_SLOTS - 1)


@dataclass(frozen=True)
class Mark:
    """How much of a turn's text a client has been shown, and a check of it."""

    turn: int
    chars: int
    check: int

    def fits(self, text: str) -> bool:
        """Tell whether the client has been shown the beginning of this text, most likely."""
        return len(text) >= self.chars and check_of(text[: self.chars]) == self.check


class Numbers:
    """Numbers of a response's events: they rise, and fit 31 bits, since some clients read no more.

    The turn has ten bits. Of the 21 within it, those below 2²⁰ are live: `chars × 16 + check`, the
    opening events those of no characters. From 2²⁰ on are the events of what is committed. So
    numbers order events, and have gaps.
    """

    @staticmethod
    def opening(turn: int, index: int) -> int:
        """Return the number of an event before the turn's first character."""
        return _base(turn) + index

    @staticmethod
    def live(turn: int, chars: int, check: int) -> int:
        """Return the number of the event that brings the turn's text to this length."""
        return _base(turn) + chars * _SLOTS + check

    @staticmethod
    def retracting(turn: int, chars: int, index: int) -> int:
        """Return the number of an event between a void text of this length and the next text."""
        return _base(turn) + (chars + 1 + index) * _SLOTS

    @staticmethod
    def settled(turn: int, index: int) -> int:
        """Return the number of an event of what is committed in this turn."""
        return _base(turn) + _SETTLED + index

    @staticmethod
    def read(number: int) -> Mark | None:
        """Return what a number says of live text; None if it is about something committed."""
        turn, within = number >> _WITHIN_BITS, number & ((1 << _WITHIN_BITS) - 1)
        if not turn or within >= _SETTLED:
            return None
        return Mark(turn, within // _SLOTS, within % _SLOTS)


def turn_of(number: int) -> int:
    """Return the turn that a number is of."""
    return max(number, 0) >> _WITHIN_BITS


def _base(turn: int) -> int:
    return min(turn, _MAX_TURN) << _WITHIN_BITS
