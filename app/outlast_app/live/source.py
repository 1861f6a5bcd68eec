"""The app's end of the channel of live events: what a run says before it is journaled.

The channel is an extra. Without it, committed events come from the run's state, a little later.
"""

from collections.abc import AsyncGenerator, Iterable
from typing import NamedTuple, Protocol

from outlast.live import LiveItem, read_line
from outlast.logging import get_logger
from outlast.names import RunRef

_logger = get_logger()


class Heard(NamedTuple):
    """What a run said, and the line that said it: an event as clients get it."""

    item: LiveItem
    line: bytes


LiveBatches = AsyncGenerator[list[Heard] | None]


class LiveSource(Protocol):
    """Where live events come from."""

    def listen(self, ref: RunRef) -> LiveBatches:
        """Yield what comes from a run, which may begin later; None while nothing can come.

        After each new connection comes what there is so far, in one batch; an empty one says that
        there is nothing.
        """
        ...


def hear(lines: Iterable[bytes]) -> list[Heard]:
    """Read what a worker writes; one that is newer may say what is not known here."""
    heard: list[Heard] = []
    for line in lines:
        if not line:
            continue
        try:
            heard.append(Heard(read_line(line), line))
        except ValueError as error:
            _logger.warning("live_event_unknown", fault=str(error))
    return heard
