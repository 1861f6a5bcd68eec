"""A run's events from any number on: committed ones from its state, live ones as they come."""

import asyncio
from collections.abc import AsyncIterator

from outlast.errors import RestateUnavailable, UnknownRun, WorkerUnavailable
from outlast.events import (
    AnyLiveEvent,
    MessageCompleted,
    ReadEvent,
    ToolCallProgress,
    terminal_event,
)
from outlast.live import Committed
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_app.live.source import LiveSource, tail_of
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Unknown
from outlast_app.runs.reader import RunReader
from outlast_app.runs.views import broken_run

_POLL_S = (0.05, 0.5)
# With the live channel, polling is only for runs that are killed, or executed elsewhere.
_SLOW_POLL_S = 2.0
_VISIBLE_S = (0.002, 1.0)
_logger = get_logger()


class RunEvents:
    """Follows runs."""

    def __init__(self, ingress: Ingress, reader: RunReader, live: LiveSource) -> None:
        self._ingress = ingress
        self._reader = reader
        self._live = live

    async def follow(self, ref: RunRef, after: int) -> AsyncIterator[ReadEvent | AnyLiveEvent]:
        """Yield a run's committed events after a number, and live ones; end after the terminal one.

        The run's own state is the log of what is committed, so this works before, during and after
        the run, at any app process. The live channel says when there is something new to read.
        """
        log = _CommittedLog(self._ingress, self._reader, ref, after)
        delay_s = _POLL_S[0]
        async with tail_of(self._live, ref) as tail:
            while True:
                before = log.seq
                async for event in log.read():
                    yield event
                if log.ended:
                    return
                slowest_s = _SLOW_POLL_S if tail.connected else _POLL_S[1]
                delay_s = _POLL_S[0] if log.seq > before else min(delay_s * 2, slowest_s)
                for item in await tail.next(delay_s):
                    if isinstance(item, Committed):
                        async for event in log.read_until(item):
                            yield event
                    elif log.is_news(item):
                        yield item

    async def has_more(self, ref: RunRef, seen: int) -> bool:
        """Tell whether an ended run has any event after the one last seen."""
        page = await self._ingress.events(ref, max(seen - 1, 0))
        if page.more or any(event.seq > seen for event in page.events):
            return True
        if page.run and page.run.ended:
            return False
        # A killed run committed no end: its stream adds one after the last committed event.
        return seen == 0 or any(event.seq == seen for event in page.events)


class _CommittedLog:
    """How far one follower has read a run's committed events."""

    def __init__(self, ingress: Ingress, reader: RunReader, ref: RunRef, after: int) -> None:
        self._ingress = ingress
        self._reader = reader
        self._ref = ref
        self._run: Run | None = None
        self._turn = 0
        self._looked = False
        self.seq = after
        self.ended = False

    async def read(self) -> AsyncIterator[ReadEvent]:
        """Yield what is new; at first, and if nothing is, see whether the run was killed."""
        before = self.seq
        try:
            async for event in self._rest():
                yield event
        except (RestateUnavailable, WorkerUnavailable) as problem:
            _logger.debug("events_not_read", run_id=self._ref.run_id, reason=problem.detail)
            return
        if self._run:
            # The turns before this one have their messages.
            self._turn = max(self._turn, self._run.turn - 1)
            self.ended = self._run.ended
        looked, self._looked = self._looked, True
        if self.ended or (self.seq > before and looked):
            return
        if broken := await self._broken():
            async for event in self._end(broken):
                yield event

    async def read_until(self, committed: Committed) -> AsyncIterator[ReadEvent]:
        """Yield events up to this one, which is about to be in the run's state."""
        delay_s = _VISIBLE_S[0]
        self._turn = max(self._turn, committed.turn)
        while self.seq < committed.seq and not self.ended and delay_s < _VISIBLE_S[1]:
            async for event in self.read():
                yield event
            if self.seq < committed.seq:
                await asyncio.sleep(delay_s)
                delay_s *= 2

    def is_news(self, event: AnyLiveEvent) -> bool:
        """Tell whether a live event is not outdated by a committed one."""
        return isinstance(event, ToolCallProgress) or event.turn > self._turn

    async def _rest(self) -> AsyncIterator[ReadEvent]:
        """Yield all that is committed by now.

        Raises:
            RestateUnavailable: Restate does not answer.
            WorkerUnavailable: The worker does not.
        """
        while True:
            page = await self._ingress.events(self._ref, self.seq)
            for event in page.events:
                self.seq = event.seq
                if isinstance(event, MessageCompleted):
                    self._turn = max(self._turn, event.turn)
                yield event
            self._run = page.run
            if not page.more:
                return

    async def _broken(self) -> Broken | None:
        """Tell whether the run was ended from outside, and so could not commit its end."""
        try:
            outcome = await self._ingress.outcome(self._ref)
            if isinstance(outcome, Unknown):
                await self._reader.find(self._ref)
        except (RestateUnavailable, WorkerUnavailable):
            return None
        except UnknownRun:
            return Broken(killed=True, reason="purged")
        return outcome if isinstance(outcome, Broken) else None

    async def _end(self, broken: Broken) -> AsyncIterator[ReadEvent]:
        """Yield the end, after what was committed just before it."""
        if self._run:
            try:
                async for event in self._rest():
                    yield event
            except (RestateUnavailable, WorkerUnavailable):
                return  # asked again
        self.ended = True
        if self._run is None or not self._run.ended:  # else it had just committed its end
            yield terminal_event(broken_run(self._ref, self._run, broken), self.seq + 1)
