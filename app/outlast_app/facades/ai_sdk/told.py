"""Which part of a run one answer tells."""

from typing import NamedTuple, Self

from outlast.protocol import Run


class Told(NamedTuple):
    """A run, and which of its segments a stream tells.

    Attributes:
        begins: The segment with which the message begins that they are told in: not the first, if
            the user has said something in between.
        answered: Keys of what the client has just answered.
    """

    run: Run
    first: int
    last: int
    begins: int = 1
    answered: frozenset[str] = frozenset()

    @classmethod
    def whole(cls, run: Run) -> Self:
        """Tell a run from its beginning, as far as it is."""
        return cls.since(run, 1)

    @classmethod
    def since(cls, run: Run, first: int, begins: int = 1) -> Self:
        """Tell a run from a segment on, as far as it is."""
        # One that waits has not begun the next segment.
        latest = run.segment - (run.status == "waiting")
        return cls(run, first, max(first, latest), begins)
