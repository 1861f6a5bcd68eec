"""Reads one run's events into a feed, for all who follow the run in this process.

What is committed is read from the run's state: at the start, when the live channel says that
there is something new, after each loss of that channel, and after a long silence, since a word
may be lost. The run's end is awaited at Restate. So a run that only waits costs nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from outlast.contract import EventPage
from outlast.errors import OperatorProblem, Problem
from outlast.events import ReadEvent, TerminalEvent, terminal_event
from outlast.live import Committed
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_app.backoff import backoff_s
from outlast_app.live.source import Heard, LiveSource
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Ended, Pending, Unknown
from outlast_app.runs.committed import RETRY_S, CommittedReads
from outlast_app.runs.feed import RunFeed
from outlast_app.runs.reader import RunReader

# The channel's word comes a moment before the event is in the run's state, and seldom alone: so
# long after it is looked for the event. It is looked for again after four times as long, and so on.
# One that is not there after that was lost with a run that was killed.
_VISIBLE_S = (0.005, 1.0)
_VISIBLE_LOOKS = 5
# A run's end brings its last events along, so they are waited for, and read only if it takes long.
_ENDING_S = 2.0
# While the channel is lost: soon when much happens, rarely when nothing does.
_LOST_S = (0.1, 5.0)
# While it is there: a word may be lost all the same.
_SILENCE_S = (60.0, 600.0)
# Renewed, since a connection that stands for days may be gone without a sign.
_AWAIT_END_S = 600.0
_logger = get_logger()


class Sources(NamedTuple):
    """Where events come from."""

    ingress: Ingress
    runs: RunReader
    live: LiveSource
    reads: CommittedReads


class EventReader:
    """The reader of one run. It stops at the run's end, or when it is closed."""

    def __init__(self, sources: Sources, ref: RunRef, after: int) -> None:
        """Prepare to read the events after a number."""
        self.feed = RunFeed(ref.run_id)
        self.feed.begin_after(max(after - 1, 0))
        self._sources = sources
        self._ref = ref
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._problem: Exception | None = None
        self._news = asyncio.Event()
        self._look_now = False
        """Read again, whatever the channel told of."""
        self._wanted = 0
        """The last event that the channel told of."""
        self._ending = False
        """Whether it is one with which runs mostly end."""
        self._lost = False
        """Whether the channel was there or tried, and is not there now."""
        self._outcome: Ended | Broken | None = None
        self._failures = 0
        self._idle_looks = 0
        """How often nothing new was found."""

    def start(self, *, found: bool) -> None:
        """Begin; `found` if it is known that there is such a run."""
        self._task = asyncio.create_task(self._read(found=found))

    async def ready(self) -> None:
        """Wait until the run was found and, if it has ended, until its last events are there.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            OperatorProblem: Nobody can tell now.
        """
        await self._ready.wait()
        if self._problem:
            raise self._problem

    @property
    def stopped(self) -> bool:
        """Whether nothing will be added to the feed."""
        return self._task is not None and self._task.done()

    def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()

    async def _read(self, *, found: bool) -> None:
        try:
            if not found:
                self._outcome = await self._find()
            if self._outcome is None:
                self._ready.set()
                await self._follow()
            else:
                await self._fill()
        except Problem as problem:
            self._problem = problem
        except Exception as fault:  # ours: the streams end, and clients ask again
            self._problem = fault
            _logger.exception("events_not_read", run_id=self._ref.run_id)
        finally:
            self._ready.set()
            # Followers look whether it has stopped, which it has in a moment.
            asyncio.get_running_loop().call_soon(self.feed.wake)

    async def _follow(self) -> None:
        """Read on to the end of a run that goes on."""
        # The channel first: what is live is not to wait for the first read.
        async with asyncio.TaskGroup() as tasks:
            aside = [tasks.create_task(self._listen()), tasks.create_task(self._await_end())]
            await self._fill()
            for task in aside:
                task.cancel()

    async def _find(self) -> Ended | Broken | None:
        """Return how the run has ended, if it has.

        Raises:
            UnknownRun: There is none.
            OperatorProblem: Nobody can tell.
        """
        outcome = await self._sources.ingress.outcome(self._ref)
        if isinstance(outcome, Unknown):
            await self._sources.runs.find(self._ref)
        return outcome if isinstance(outcome, Ended | Broken) else None

    async def _await_end(self) -> None:
        failures = 0
        while self._outcome is None:
            try:
                outcome = await self._sources.runs.wait(self._ref, _AWAIT_END_S)
            except OperatorProblem as problem:
                _logger.debug("end_not_awaited", run_id=self._ref.run_id, reason=problem.detail)
                await asyncio.sleep(backoff_s(failures, *RETRY_S))
                failures += 1
                continue
            failures = 0
            if isinstance(outcome, Unknown):
                self._outcome = Broken(killed=True, reason="purged")
            elif not isinstance(outcome, Pending):
                self._outcome = outcome
        self._look()

    async def _listen(self) -> None:
        is_first = True
        async with aclosing(self._sources.live.listen(self._ref)) as batches:
            async for batch in batches:
                lost = batch is None
                if lost != self._lost:
                    self._lost = lost
                    self._look()
                if batch:
                    await self._show(batch, is_first=is_first)
                is_first = lost

    async def _show(self, batch: list[Heard], *, is_first: bool) -> None:
        """Show what is live; never before what was committed before it, or after its message."""
        for heard in batch:
            if isinstance(heard.item, Committed):
                self.feed.complete_turn(heard.item.turn)
        for heard in batch:
            if isinstance(heard.item, Committed):
                self.feed.wake()
                self._tell(heard.item)
                if not heard.item.ending:  # nothing live comes after an end
                    await self._catch_up()
            else:
                self.feed.show(heard)
        if is_first:
            self.feed.condense()  # it was said before we listened
        self.feed.wake()

    def _tell(self, word: Committed) -> None:
        """Have what the channel told of read, soon or with the run's end."""
        if self.feed.seq < word.seq:
            self._wanted, self._ending, self._idle_looks = word.seq, word.ending, 0
            self._news.set()

    async def _catch_up(self) -> None:
        """Wait until what the channel told of was read, or was given up."""
        woken = self.feed.watch()
        while self.feed.seq < self._wanted:
            woken.clear()
            await woken.wait()
        self.feed.leave(woken)

    async def _fill(self) -> None:
        """Read what is committed until the run has ended.

        Raises:
            OperatorProblem: It has, and nobody can tell what it committed.
        """
        feed = self.feed
        while not feed.ended:
            self._look_now = False
            self._news.clear()
            outcome = self._outcome
            if isinstance(outcome, Ended) and self._end_with(outcome.last_events):
                return
            page = await self._read_page()
            if page is None:
                await self._pause(backoff_s(self._failures, *RETRY_S))
            elif not feed.is_placed and not page.events:
                feed.begin_after(0)  # there is no event of the number that its follower has seen
            else:
                await self._take(page, outcome)

    def _end_with(self, last_events: Sequence[ReadEvent]) -> bool:
        """Add the events that came with the run's end; False if some before them are missing."""
        feed = self.feed
        missing = [event for event in last_events if event.seq > feed.seq]
        if not last_events or last_events[0].seq > feed.seq + 1:
            return False
        if not (missing or feed.is_placed):
            return False
        feed.commit(missing)
        feed.end()
        return True

    async def _read_page(self) -> EventPage | None:
        reads, somebody_waits = self._sources.reads, not self._ready.is_set()
        read = reads.page_soon if somebody_waits else reads.page
        try:
            page = await read(self._ref, self.feed.seq)
        except OperatorProblem as problem:
            if somebody_waits:
                raise
            _logger.debug("events_not_read", run_id=self._ref.run_id, reason=problem.detail)
            self._failures += 1
            return None
        self._failures = 0
        return page

    async def _take(self, page: EventPage, outcome: Ended | Broken | None) -> None:
        """Add a page, and wait until the next one is needed.

        Args:
            page: What was read.
            outcome: How the run had ended before that, as far as was known.
        """
        feed, ended = self.feed, page.run is not None and page.run.ended
        self._idle_looks = 0 if page.events else self._idle_looks + 1
        feed.commit(page.events)
        if page.run:
            feed.complete_turn(page.run.turn - 1)  # those before this one have their messages
        if page.more:
            self._ready.set()
            await feed.caught_up.wait()
        elif ended or outcome:
            if outcome and not ended:  # it could not commit its end
                feed.commit([await self._end_of(page.run, outcome)])
            feed.end()
        else:
            await self._await_news()

    async def _end_of(self, state: Run | None, outcome: Ended | Broken) -> TerminalEvent:
        runs = self._sources.runs
        ended = isinstance(outcome, Ended)
        run = outcome.run if ended else await runs.read_broken(self._ref, state, outcome)
        return terminal_event(run, self.feed.seq + 1)

    def _look(self) -> None:
        self._look_now = True
        self._news.set()

    async def _await_news(self) -> None:
        """Wait until it is time to look again."""
        while not self._look_now:
            self._news.clear()
            if not await self._pause(self._silence_s()):
                return

    def _silence_s(self) -> float:
        looks = self._idle_looks
        if self.feed.seq < self._wanted:
            if self._ending and not looks:
                return _ENDING_S
            if looks < _VISIBLE_LOOKS:
                return backoff_s(2 * looks, *_VISIBLE_S)
            self._wanted = 0
            self.feed.wake()
        return backoff_s(looks, *(_LOST_S if self._lost else _SILENCE_S))

    async def _pause(self, delay_s: float) -> bool:
        """Wait; end at once when there is news, and say so."""
        try:
            async with asyncio.timeout(delay_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
