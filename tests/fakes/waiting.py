"""Waits for a state, with a deadline."""

import time
from collections.abc import Callable
from typing import Any

DEADLINE_S = 90
"""Beside eight busy processes, too."""
_POLL_S = 0.02
_RARELY_S = 0.4
"""How long at most between two looks: each costs the processes that are looked at."""


def wait_until(ready: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value, or fail after a while."""
    began = time.monotonic()
    while not (value := ready()):
        waited_s = time.monotonic() - began
        assert waited_s < deadline_s, f"waited {deadline_s} s for {what}"
        time.sleep(min(_POLL_S + waited_s / 10, _RARELY_S))
    return value
