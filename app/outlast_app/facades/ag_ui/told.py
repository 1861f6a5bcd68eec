"""Which part of a run one answer tells, and to whom that may be new."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from outlast.errors import UnknownThread
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_app.facades.ag_ui.seeding import shown_messages
from outlast_app.facades.ag_ui.sent import Sent
from outlast_app.facades.ag_ui.shown import Shown
from outlast_app.facades.conversations import read_back, with_open
from outlast_app.facades.reader import committed
from outlast_app.facades.segments import RunLog, segment_of


class Told(NamedTuple):
    """A run, and which of its segments a stream tells.

    Attributes:
        sent: Returns what the client has, where that is not what it has sent.
        comes_again: The client may have been told some of it before.
        answered: Keys of what the client has just answered.
        warnings: What of the request was not done.
    """

    ref: RunRef
    first: int = 1
    last: int = 1
    sent: Callable[[], Sequence[Shown]] | None = None
    comes_again: bool = False
    answered: frozenset[str] = frozenset()
    warnings: Sequence[str] = ()


async def tell_again(sent: Sent, run: Run, warnings: Sequence[str] = ()) -> Told:
    """Tell a run to a client that comes again: what it waits for, or goes on with.

    Raises:
        MissingRight: The key may not read what it has not started.
    """
    sent.check_may_watch(run)
    ref, log = sent.ref_of(run), RunLog(takes_approvals=True)
    for event in await committed(await sent.asked.deps.events.so_far(ref, 0)):
        log.take(event)
    known = None if sent.has(run) or not sent.may_read else await _list_of(sent, run)
    segment = segment_of(run, log)
    return Told(ref, segment, segment, known, comes_again=True, warnings=warnings)


async def _list_of(sent: Sent, run: Run) -> Callable[[], Sequence[Shown]]:
    """Return the conversation up to a run, for a client that has nothing of it, but may read."""
    try:
        had = await read_back(sent.asked, sent.thread)
    except UnknownThread:
        had = []
    shown = shown_messages(had if run.ended else with_open(had, run))
    return lambda: shown
