"""Follows a run and all runs below it, as one stream."""

import asyncio
from types import TracebackType
from typing import Self

from outlast.errors import OperatorProblem, UnknownRun
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast_app.backoff import backoff_s
from outlast_app.runs.committed import RETRY_S
from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.follow import Following, RunEvents
from outlast_app.runs.join import Join, JoinedRun
from outlast_app.runs.join_position import Position

# After its caller has told of it a run may take a moment until it is found, while Restate restarts.
_ARRIVAL_S = 0.5
_logger = get_logger()


class _Lost(Exception):
    """Nobody can tell now how a run goes on."""


class JoinedFollowing:
    """One follower of a run and of what it calls, and how far it has read each of them."""

    def __init__(self, events: RunEvents, ref: RunRef, position: Position) -> None:
        self._events = events
        self._ref = ref
        self._join = Join(ref.run_id, position)
        self._position = position
        self._following: dict[JoinedRun, Following] = {}
        self._reading: dict[JoinedRun, asyncio.Task[list[ShownEvent] | None]] = {}
        self._top = self._follow(self._join.top)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    @classmethod
    async def open(cls, events: RunEvents, ref: RunRef, position: Position) -> Self | None:
        """Follow from a position on; None if the run has ended and nothing comes after it.

        Raises:
            UnknownRun: There is no such run, or it is no longer kept.
            OperatorProblem: Nobody can tell now.
        """
        joined = cls(events, ref, position)
        try:
            await joined._top.ready()
        except BaseException:
            joined.leave()
            raise
        if position.ended or joined._top.is_over_after(position.seq):
            joined.leave()
            return None
        return joined

    async def next(self) -> list[ShownEvent]:
        """Return what is new, as soon as there is something; nothing when nothing follows.

        Also when the run itself can't be read now: who follows comes again with its position.
        """
        while True:
            if shown := self._join.pass_on():
                return shown
            if self._join.top.ended:
                return []
            for run in self._join:
                if run.wants_events and run not in self._reading:
                    self._reading[run] = asyncio.create_task(self._read(run))
            done, _ = await asyncio.wait(
                self._reading.values(), return_when=asyncio.FIRST_COMPLETED
            )
            for run in [run for run, task in self._reading.items() if task in done]:
                events = self._reading.pop(run).result()
                if events is None:
                    return []
                run.put(events)
            self._let_go()

    def leave(self) -> None:
        """Follow none of them any longer."""
        for task in self._reading.values():
            task.cancel()
        for following in self._following.values():
            following.leave()

    async def _read(self, run: JoinedRun) -> list[ShownEvent] | None:
        """Return what is new of one run; None if nobody can tell how it goes on."""
        failures = 0
        while True:
            try:
                events = await self._next_of(run)
            except OperatorProblem as problem:
                if run is self._join.top:
                    return None
                # It was told of, so it is there: it is waited for, and the stream stays.
                _logger.debug("events_not_read", run_id=run.run_id, reason=problem.detail)
                await asyncio.sleep(backoff_s(failures, *RETRY_S))
                failures += 1
                continue
            except _Lost:
                return None
            if events:
                return events
            # It is not there: it was forgotten, if its call has ended, or is on its way.
            if run.caller and run.caller.waits_for(run):
                run.end()
                return []
            await asyncio.sleep(_ARRIVAL_S)

    async def _next_of(self, run: JoinedRun) -> list[ShownEvent]:
        """Return what is new of one run; nothing if there is no such run.

        Raises:
            OperatorProblem: Nobody can tell.
            _Lost: The same, or it has ended, and the end is not what was expected.
        """
        following = self._following.get(run) or self._follow(run)
        if events := await following.next():
            return events
        self._following.pop(run).leave()
        try:
            await following.ready()
        except UnknownRun:
            if run is self._join.top:
                raise _Lost from None
            return []
        raise _Lost

    def _follow(self, run: JoinedRun) -> Following:
        ref = RunRef(self._ref.tenant, run.run_id)
        following = self._events.follow(ref, run.read_after, found=False)
        self._following[run] = following
        return following

    def _let_go(self) -> None:
        """Follow no longer what has ended."""
        for run in [run for run in self._following if run.ended and run is not self._join.top]:
            self._following.pop(run).leave()
