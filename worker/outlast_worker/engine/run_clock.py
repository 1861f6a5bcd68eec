"""A run's time: that of its latest step. No other clock is looked at."""

from datetime import timedelta

from outlast.protocol import Time


class RunClock:
    """How late it is for a run, and for how long it has stood still.

    Attributes:
        now: When its latest step ended.
        stood_still: For how long it has waited for somebody outside, with nothing in flight.
    """

    def __init__(self, now: Time) -> None:
        self.now = now
        self.stood_still = timedelta(0)
        self._stands_still = False

    def advance(self, at: Time, *, stands_still: bool) -> None:
        """Note that something ended at this time; steps side by side end in any order.

        Args:
            at: When.
            stands_still: Whether the run still waits, if it stood still until then.
        """
        before, self.now = self.now, max(self.now, at)
        if self._stands_still:
            self.stood_still += self.now - before
            self._stands_still = stands_still

    def stand_still(self) -> None:
        """Count what passes until something comes next: an answer, which may end the wait."""
        self._stands_still = True
