"""Waits for a state, with a deadline."""

import time
from collections.abc import Callable
from typing import Any

DEADLINE_S = 40
_POLL_S = 0.02


def wait_until(ready: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value, or fail after a while."""
    deadline = time.monotonic() + deadline_s
    while not (value := ready()):
        assert time.monotonic() < deadline, f"waited {deadline_s} s for {what}"
        time.sleep(_POLL_S)
    return value
