"""How much a server may say: what is more than that waits, and so does the server."""

import asyncio
import time
from collections.abc import Awaitable, Callable

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
"""Of one message of a server's: the largest results that are taken, said twice."""
_BURST_BYTES = 32 * 1024 * 1024
_BYTES_EACH_S = 2 * 1024 * 1024
_MESSAGE_COSTS_BYTES = 4 * 1024
"""What reading a message costs beside its bytes, however small it is."""


class Meter:
    """What one session may still take of the worker's time at once.

    Args:
        sleep: Waits for so many seconds.
        clock: Tells seconds, of any beginning.
    """

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._left = float(_BURST_BYTES)
        self._at = clock()

    async def take(self, size: int, messages: int = 1) -> None:
        """Take in so many bytes, or wait until that is all right."""
        now = self._clock()
        self._left = min(self._left + (now - self._at) * _BYTES_EACH_S, _BURST_BYTES)
        self._at = now
        self._left -= size + messages * _MESSAGE_COSTS_BYTES
        if self._left < 0:
            await self._sleep(-self._left / _BYTES_EACH_S)
