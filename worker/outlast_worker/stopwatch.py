"""When a step began and ended: by the wall clock, and never shorter or longer than it took."""

import time
from datetime import UTC, datetime, timedelta


class Stopwatch:
    """Runs from its making on. The wall clock may be set meanwhile; the duration stays true."""

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC)
        self._began_s = time.monotonic()

    def read(self) -> datetime:
        """Return the time now, as the wall clock would say it had nobody set it."""
        return self.started_at + timedelta(seconds=time.monotonic() - self._began_s)


async def tell_time() -> datetime:
    """Return what the clock says, for a step of its own."""
    return datetime.now(UTC)
