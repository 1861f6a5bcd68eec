"""How long a request is tried again."""

import time

from outlast_cli.errors import CliError, Refused, Unreachable
from outlast_cli.output import say

_DELAYS_S = (0.2, 5.0)
_SAY_AFTER_S = 3.0


class Patience:
    """Waits between attempts, longer each time, and gives up after a while without an answer."""

    def __init__(self, give_up_after_s: float) -> None:
        self._give_up_after_s = give_up_after_s
        self._delay_s = _DELAYS_S[0]
        self._known = self._said = False
        self._failing_since: float | None = None

    def answered(self) -> None:
        """Note that the server is there: when it is not any more, it will come back."""
        self._known, self._said, self._failing_since = True, False, None

    def progressed(self) -> None:
        """Note that something new came, so that the next attempt may follow soon."""
        self._delay_s = _DELAYS_S[0]

    def wait(self, error: CliError) -> None:
        """Sleep until the next attempt.

        Raises:
            CliError: The one given, when trying again has no point or took too long already.
        """
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        failing_s = now - self._failing_since
        hopeful = error.passes or (self._known and isinstance(error, Unreachable))
        asked_s = error.retry_after_s if isinstance(error, Refused) else 0
        if not hopeful or max(failing_s, asked_s) >= self._give_up_after_s:
            raise error
        if failing_s + asked_s >= _SAY_AFTER_S and not self._said:
            self._said = True
            say(f"{error} Trying again …")
        time.sleep(max(self._delay_s, asked_s))
        self._delay_s = min(self._delay_s * 2, _DELAYS_S[1])
