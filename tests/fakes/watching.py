"""What stands behind the followers of one run: its state and its end, the channel, and counts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fakes.records import NOON
from outlast.contract import EventPage
from outlast.errors import Problem, UnknownRun
from outlast.events import (
    AnyEvent,
    MessageCompleted,
    ReadEvent,
    RunCompleted,
    RunQueued,
    RunStarted,
    TurnStarted,
)
from outlast.live import Committed, LiveItem, write_line
from outlast.names import RunRef
from outlast.protocol import Message, Run, Usage
from outlast_app.live.source import Heard
from outlast_app.restate.outcomes import Broken, Outcome, Pending, Unknown
from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.follow import Following, RunEvents
from outlast_app.runs.views import broken_run

RUN_ID = "tester.aaaaaaaaaaaaaaaaaaaaaaaaaa"
REF = RunRef("t", RUN_ID)
RUN = Run(run_id=RUN_ID, agent="tester", status="running")
COMPLETED = RUN.model_copy(update={"status": "completed"})


def queued(seq: int = 1) -> RunQueued:
    return RunQueued(run_id=RUN_ID, seq=seq)


def started(seq: int = 1) -> RunStarted:
    return RunStarted(run_id=RUN_ID, seq=seq)


def turn_started(seq: int, turn: int = 1) -> TurnStarted:
    return TurnStarted(run_id=RUN_ID, seq=seq, turn=turn)


def said(seq: int, turn: int = 1, text: str = "done") -> MessageCompleted:
    message = Message(id="m", role="assistant", content=text, run_id=RUN_ID, created_at=NOON)
    return MessageCompleted(
        run_id=RUN_ID,
        seq=seq,
        turn=turn,
        message=message,
        usage=Usage(),
        model="m",
        finish_reason="stop",
    )


def completed(seq: int) -> RunCompleted:
    return RunCompleted(run_id=RUN_ID, seq=seq, run=COMPLETED)


def heard(item: LiveItem) -> Heard:
    return Heard(item, write_line(RUN_ID, item))


class Behind:
    """Restate and the channel, as `RunEvents` sees them; a test says what happens there."""

    def __init__(self) -> None:
        self.committed: list[ReadEvent] = []
        self.run: Run | None = None
        self.outcome_now: Outcome = Pending()
        self.problem: Problem | None = None
        self.page_events = 1000
        self.reads: list[int] = []
        self.outcomes = 0
        self.waits = 0
        self.listening = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.slow_s = 0.0
        self.away: set[str] = set()
        """Agents whose worker does not answer."""
        self._ended = asyncio.Event()
        self._listened = asyncio.Condition()
        self._channels: list[asyncio.Queue[list[Heard] | None]] = []

    # The ingress and the reader of runs.

    async def events(self, ref: RunRef, after: int, _timeout_s: float) -> EventPage:
        self.reads.append(after)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(3600 if ref.agent in self.away else self.slow_s)
        self.in_flight -= 1
        if self.problem:
            raise self.problem
        rest = self.committed[after:]
        page = rest[: self.page_events]
        return EventPage(events=page, run=self.run, more=len(page) < len(rest))

    async def outcome(self, _ref: RunRef) -> Outcome:
        self.outcomes += 1
        return self.outcome_now

    async def read_broken(self, ref: RunRef, state: Run | None, broken: Broken) -> Run:
        return broken_run(ref, state, broken)

    async def find(self, ref: RunRef) -> None:
        if isinstance(self.outcome_now, Unknown):
            raise UnknownRun(f"There is no run {ref.run_id}.")

    async def wait(self, _ref: RunRef, _wait_s: float) -> Outcome:
        self.waits += 1
        await self._ended.wait()
        return self.outcome_now

    # The channel.

    async def listen(self, _ref: RunRef) -> AsyncGenerator[list[Heard] | None]:
        channel: asyncio.Queue[list[Heard] | None] = asyncio.Queue()
        channel.put_nowait([])
        self._channels.append(channel)
        await self._count_listening(1)
        try:
            while True:
                yield await channel.get()
        finally:
            self._channels.remove(channel)
            await self._count_listening(-1)

    async def _count_listening(self, change: int) -> None:
        async with self._listened:
            self.listening += change
            self._listened.notify_all()

    # What a test says.

    async def heard_of(self, listening: int = 1) -> None:
        """Wait until so many listen."""
        async with asyncio.timeout(5), self._listened:
            await self._listened.wait_for(lambda: self.listening == listening)

    def commit(self, *events: AnyEvent) -> None:
        """Commit, and tell of it."""
        self.commit_unheard(*events)
        self.say(Committed(len(self.committed), 0))

    def commit_unheard(self, *events: AnyEvent) -> None:
        """Commit; the word is lost."""
        self.committed += events
        last = events[-1]
        self.run = last.run if isinstance(last, RunCompleted) else self.run or RUN

    def say(self, *items: LiveItem) -> None:
        for channel in self._channels:
            channel.put_nowait([heard(item) for item in items])

    def lose_channel(self) -> None:
        for channel in self._channels:
            channel.put_nowait(None)

    def end(self, outcome: Outcome) -> None:
        """End the run in Restate."""
        self.outcome_now = outcome
        self._ended.set()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[RunEvents]:
        """Return what is tested, over this."""
        mine: Any = self
        events = RunEvents(mine, mine, mine)
        yield events
        events.close()


async def read_until(following: Following, kind: str, within_s: float = 5) -> list[ShownEvent]:
    """Return what a follower is shown until an event of a type has come."""
    shown: list[ShownEvent] = []
    async with asyncio.timeout(within_s):
        while not any(event.type == kind for event in shown):
            new = await following.next()
            assert new, f"it ended without {kind}, after {[e.type for e in shown]}"
            shown += new
    return shown


async def read_to_end(following: Following, within_s: float = 5) -> list[ShownEvent]:
    """Return all that a follower is shown."""
    shown: list[ShownEvent] = []
    async with asyncio.timeout(within_s):
        while new := await following.next():
            shown += new
    return shown
