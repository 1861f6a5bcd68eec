"""Looks after a run whose stream is silent, beside whoever reads that stream."""

import threading
import time
from collections.abc import Callable

from outlast_cli.activity import QUIET_S
from outlast_cli.waiting import Standing

_EVERY_S = 2.0
_LATER_EVERY_S = 10.0
_LATER_AFTER_S = 60.0


class Lookout:
    """Asks how the run stands, gently, in a thread of its own while there is no news of it."""

    def __init__(
        self, look: Callable[[], Standing | None], tell: Callable[[Standing], None]
    ) -> None:
        """Prepare, and ask nobody.

        Args:
            look: How to ask; blocks.
            tell: What to call with each answer, but never after `stop` has returned.
        """
        self._look = look
        self._tell = tell
        self._found: Standing | None = None
        self._heard_at = time.monotonic()
        self._stopped = threading.Event()
        # Held while somebody is told, so that `stop` waits for that, and for no answer.
        self._telling = threading.Lock()

    @property
    def found(self) -> Standing | None:
        """The last answer, unless there was news since it was asked for."""
        found = self._found
        return found if found and found.asked_at >= self._heard_at else None

    def heard(self) -> None:
        """Note that there is news."""
        self._heard_at = time.monotonic()

    def start(self) -> None:
        """Begin to ask."""
        self._stopped = threading.Event()
        self.heard()
        # A question may be on its way for as long as it takes: nobody waits for its end.
        asking = threading.Thread(
            target=self._ask, args=(self._stopped,), name="lookout", daemon=True
        )
        asking.start()

    def stop(self) -> None:
        """Ask no more, and tell nothing more."""
        with self._telling:
            self._stopped.set()

    def _ask(self, stopped: threading.Event) -> None:
        delay_s = QUIET_S
        while not stopped.wait(delay_s):
            silent_s = time.monotonic() - self._heard_at
            if silent_s < QUIET_S:
                delay_s = QUIET_S - silent_s
                continue
            self._found = self._look()
            with self._telling:
                if not stopped.is_set() and (found := self.found):
                    self._tell(found)
            delay_s = delay_after_s(silent_s)


def delay_after_s(silent_s: float) -> float:
    """Return how soon to ask again about a run of which nothing was heard for so long."""
    return _EVERY_S if silent_s < _LATER_AFTER_S else _LATER_EVERY_S
