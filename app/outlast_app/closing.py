"""How those who wait learn that this process is about to end.

The server cancels requests that outlast its grace, and their callers would get a bare error
without a run. So every wait ends soon after the process was told to end, as if its time were
over, and the caller gets the run so far.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

_GRACE_S = 0.2
"""What is answered within milliseconds, such as an accepted start, still comes through."""


class Closing:
    """Cuts the time of all who wait once the process is to end."""

    def __init__(self) -> None:
        self._begun = False
        self._limits: set[asyncio.Timeout] = set()

    @property
    def begun(self) -> bool:
        """Whether the process is about to end."""
        return self._begun

    def begin(self) -> None:
        """End all waits in a moment, those that begin from now on included."""
        self._begun = True
        cut_at = asyncio.get_running_loop().time() + _GRACE_S
        for limit in self._limits:
            due_at = limit.when()
            if due_at is not None and due_at > cut_at:
                limit.reschedule(cut_at)

    @asynccontextmanager
    async def timeout(self, delay_s: float) -> AsyncGenerator[None]:
        """Limit a wait, as `asyncio.timeout` does.

        Raises:
            TimeoutError: The time is over, or the process is about to end.
        """
        async with asyncio.timeout(min(delay_s, _GRACE_S) if self._begun else delay_s) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)
