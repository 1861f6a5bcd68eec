"""How a follower reads a run that was killed."""

from typing import Any

from outlast.contract import EventPage
from outlast.events import ReadEvent, RunCompleted, RunQueued, RunStarted, TurnStarted
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_app.restate.outcomes import Broken, Pending
from outlast_app.runs.follow import _CommittedLog

REF = RunRef("t", "r")
RUN = Run(run_id="r", agent="a", status="running")
EVENTS: list[ReadEvent] = [
    RunQueued(run_id="r", seq=1),
    RunStarted(run_id="r", seq=2),
    TurnStarted(run_id="r", seq=3, turn=1),
]


class KilledMeanwhile:
    """An ingress: the run commits two more events and is killed, right after the first look."""

    def __init__(self) -> None:
        self._looks = 0

    async def events(self, _ref: RunRef, after: int) -> EventPage:
        self._looks += 1
        known = EVENTS[:1] if self._looks == 1 else EVENTS
        return EventPage(events=known[after:], run=RUN)

    async def outcome(self, _ref: RunRef) -> Broken | Pending:
        return Broken(killed=True, reason="killed")


async def test_events_that_came_just_before_the_end():
    """What a run had committed comes before the end that it could not commit, for every reader."""
    ingress: Any = KilledMeanwhile()
    told: list[list[tuple[int, str]]] = []
    for _ in range(2):
        log = _CommittedLog(ingress, ingress, REF, 0)
        told.append([(event.seq, event.type) async for event in log.read()])
        assert log.ended
    assert told[0] == told[1]
    assert told[0][-1] == (4, "run.failed")


async def test_killed_while_it_returns():
    """A run that had committed its end has one end, whatever came after."""
    ended = RunCompleted(run_id="r", seq=4, run=RUN.model_copy(update={"status": "completed"}))

    class EndsMeanwhile(KilledMeanwhile):
        async def events(self, _ref: RunRef, after: int) -> EventPage:
            page = await super().events(_ref, 0)
            if len(page.events) == 1:
                return page
            return EventPage(events=[*page.events[after:], ended], run=ended.run)

    ingress: Any = EndsMeanwhile()
    log = _CommittedLog(ingress, ingress, REF, 0)
    told = [(event.seq, event.type) async for event in log.read()]
    assert log.ended
    assert told[-1] == (4, "run.completed")
    assert [seq for seq, _ in told] == [1, 2, 3, 4]
