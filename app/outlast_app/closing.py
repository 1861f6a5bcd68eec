"""How those who wait learn that this process is about to end.

The server cancels requests that outlast its grace, and their callers would get a bare error
without a run. So every wait ends soon after the process was told to end, as if its time were
over, and the caller gets the run so far.
"""

import asyncio
from types import TracebackType

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

    def timeout(self, delay_s: float) -> "_Wait":
        """Limit a wait, as `asyncio.timeout` does.

        Raises:
            TimeoutError: The time is over, or the process is about to end.
        """
        return _Wait(self._limits, min(delay_s, _GRACE_S) if self._begun else delay_s)


class _Wait:
    """A wait, whose limit is known for as long as it lasts."""

    def __init__(self, limits: set[asyncio.Timeout], delay_s: float) -> None:
        self._limits = limits
        self._limit = asyncio.timeout(delay_s)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._limits.add(self._limit)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._limits.discard(self._limit)
        await self._limit.__aexit__(kind, error, trace)
