"""How much one key may ask of this app process.

Each process counts for itself and keeps nothing: with two of them a key may have twice as much.
Without keys all callers share one count.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from outlast.errors import KeyLimit
from outlast_app.keyring import Caller

_WINDOW_S = 60


class Quotas:
    """Counts what keys start, and the streams that they have open."""

    def __init__(
        self,
        max_runs: int | None,
        max_streams: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know the limits.

        Args:
            max_runs: How many starts a key may ask for within a minute; None for any number.
            max_streams: How many streams it may have open; None for any number.
            clock: In seconds.
        """
        self._max_runs = max_runs
        self._max_streams = max_streams
        self._clock = clock
        self._starts: dict[Caller, deque[float]] = {}
        self._streams = Counter[Caller]()

    def count_start(self, caller: Caller) -> None:
        """Note that a key asks for a run.

        Raises:
            KeyLimit: It has asked for as many as it may.
        """
        if self._max_runs is None:
            return
        now = self._clock()
        starts = self._starts.setdefault(caller, deque(maxlen=self._max_runs))
        if len(starts) == self._max_runs and (left_s := starts[0] + _WINDOW_S - now) > 0:
            raise KeyLimit(
                f"{_whose(caller)} may start {self._max_runs} runs a minute "
                "(APP_MAX_RUNS_PER_KEY). No run was started.",
                headers={"Retry-After": str(math.ceil(left_s))},
            )
        starts.append(now)

    @contextmanager
    def stream(self, caller: Caller) -> Generator[None]:
        """Count a stream for as long as it is open.

        Raises:
            KeyLimit: As many as may be are open.
        """
        if self._max_streams is not None and self._streams[caller] >= self._max_streams:
            raise KeyLimit(
                f"{_whose(caller)} may have {self._max_streams} streams open at once "
                "(APP_MAX_STREAMS_PER_KEY). Close one, or read the run without a stream."
            )
        self._streams[caller] += 1
        try:
            yield
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]


def _whose(caller: Caller) -> str:
    return f"The key {caller.key}" if caller.key else "All callers together"
