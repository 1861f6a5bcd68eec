"""Which part of a run one answer tells."""

from typing import NamedTuple, Self

from outlast.protocol import Run


class Told(NamedTuple):
    """A run, and which of its segments a stream tells.

    Attributes:
        is_apart: Whether that is a message of its own, since the user has said something in
            between; else it goes on with the run's.
    """

    run: Run
    first: int
    last: int
    is_apart: bool = False

    @classmethod
    def whole(cls, run: Run) -> Self:
        """Tell a run from its beginning, as far as it is."""
        return cls.since(run, 1)

    @classmethod
    def since(cls, run: Run, first: int, *, is_apart: bool = False) -> Self:
        """Tell a run from a segment on, as far as it is."""
        # One that waits has not begun the next segment.
        latest = run.segment - (run.status == "waiting")
        return cls(run, first, max(first, latest), is_apart)
