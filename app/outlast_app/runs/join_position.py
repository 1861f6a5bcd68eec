"""How far a client has read the joined events of a run and of those below it, as an opaque text.

It names called runs by the calls that they answer, so nothing in it addresses any run but those.
"""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

# Of 64 open runs, each with its numbers, this is several times what is needed.
_MAX_CHARS = 16 * 1024
_MAX_DEPTH = 16
_SEQ = re.compile(r"[0-9]{1,15}")
_CALL = re.compile(r"([0-9]{1,6}\.[0-9]{1,6}):")


class NoPosition(ValueError):
    """A client sent what was never an event's `id`."""


@dataclass(frozen=True)
class Position:
    """How far one run's events were passed on, and those of the runs that it has called.

    Attributes:
        seq: The number of its last event that was.
        ended: Whether that is its last one at all.
        told_after: The event after which its open calls were told, or `seq` without such calls.
        called: The runs that are open below it, or were until their callers' word, by call.
    """

    seq: int = 0
    ended: bool = False
    told_after: int = 0
    called: Mapping[str, "Position"] = field(default_factory=dict[str, "Position"])

    @classmethod
    def read(cls, text: str) -> "Position":
        """Read what a client sends: the `id` of an event, or 0 for all of them.

        Raises:
            NoPosition: It is no such `id`.
        """
        if text == "0":
            return cls()
        padded = text + "=" * (-len(text) % 4)
        try:
            return _Reader(b64decode(padded, b"-_", validate=True).decode("ascii")).read()
        except ValueError as error:
            raise NoPosition(text) from error

    def write(self) -> str:
        """Return it as clients see it: opaque."""
        return urlsafe_b64encode(self.plain.encode()).decode().rstrip("=")

    @cached_property
    def plain(self) -> str:
        """It before it is made opaque: kept, since most of it stays from event to event."""
        own = f"{self.seq}{'!' if self.ended else ''}"
        if not self.called:
            return own
        below = (f"{call}:{position.plain}" for call, position in self.called.items())
        return f"{own}@{self.told_after}({','.join(below)})"


class _Reader:
    """Reads a position from the front; whatever is not as it was written is a `ValueError`."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_CHARS:
            raise ValueError("it is too long")
        self._text = text
        self._at = 0

    def read(self) -> Position:
        position = self._position(0)
        if self._at < len(self._text):
            raise ValueError("something follows")
        return position

    def _position(self, depth: int) -> Position:
        if depth > _MAX_DEPTH:
            raise ValueError("it is too deep")
        seq, ended = self._number(), self._skip("!")
        if not self._skip("@"):
            return Position(seq, ended, seq)
        told_after = self._number()
        if told_after > seq or not self._skip("("):
            raise ValueError("its calls are missing")
        called: dict[str, Position] = {}
        while True:
            call = self._match(_CALL)[1]
            if call in called:
                raise ValueError("a call comes twice")
            called[call] = self._position(depth + 1)
            if self._skip(")"):
                return Position(seq, ended, told_after, called)
            if not self._skip(","):
                raise ValueError("it breaks off")

    def _number(self) -> int:
        return int(self._match(_SEQ)[0])

    def _skip(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += found
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError("it is no position")
        self._at = match.end()
        return match
