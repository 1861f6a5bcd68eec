"""Places in the stream of a run, as protocols name them to clients that come back.

No piece of an answer is stored anywhere. So a place within a text that is being written is how
long the text was, and a check of it: whoever resumes there compares, and goes on, or takes the text
back.
"""

import re
from dataclasses import dataclass
from typing import Self
from zlib import crc32

MAX_CHARS = 65_531
"""How far a number reaches within a live text; the rest of a longer one comes with its commit."""

_WITHIN_BITS = 21
_SETTLED = 1 << 20
_CHECK_BITS = 4
_SLOTS = 1 << _CHECK_BITS
_MAX_TURN = (1 << 10) - 1
_TEXT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9})|\+([0-9]{1,9})\.([0-9a-f]{4}))")


def check_of(text: str, bits: int = _CHECK_BITS) -> int:
    """Return what tells texts of one length apart, most likely."""
    return crc32(text.encode(errors="replace")) & ((1 << bits) - 1)


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
    bits: int = _CHECK_BITS

    def fits(self, text: str) -> bool:
        """Tell whether the client has been shown the beginning of this text, most likely."""
        return len(text) >= self.chars and check_of(text[: self.chars], self.bits) == self.check


@dataclass(frozen=True)
class Position:
    """A place as a text, for the `id:` of server-sent events.

    `17.2` is after the second of a protocol's events that the committed event 17 gave;
    `17+431.9f3a` is after 431 characters of the text that is being written after that event.
    """

    seq: int
    index: int = 0
    chars: int = 0
    check: int = 0

    @classmethod
    def of_text(cls, seq: int, text: str) -> Self:
        """Return the place after this text."""
        return cls(seq, chars=len(text), check=check_of(text, 16))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what a client sends back; None if it is nothing of ours."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        seq, index, chars, check = found.groups()
        if chars is None:
            return cls(int(seq), int(index))
        return cls(int(seq), chars=int(chars), check=int(check, 16))

    def write(self) -> str:
        """Return it as clients see it: opaque."""
        if self.chars:
            return f"{self.seq}+{self.chars}.{self.check:04x}"
        return f"{self.seq}.{self.index}"

    def mark(self, turn: int) -> Mark:
        """Return what it says of the text of this turn."""
        return Mark(turn, self.chars, self.check, bits=16)


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
