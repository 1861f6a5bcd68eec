"""Forgets runs that have ended, with all that they keep and all that they have called."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from outlast.contract import ThreadHolder
from outlast.errors import RunNotEnded, ThreadBusy, UnknownThread
from outlast.names import RunRef, ThreadRef
from outlast_app.cursors import Cursor
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Ended, Outcome, Pending, Unknown
from outlast_app.run_filter import RunFilter
from outlast_app.runs.actions import ThreadActions
from outlast_app.runs.reader import RunReader
from outlast_app.runs.webhooks import WebhookDeliveries

_PAGE = 100
_AT_ONCE = 8
_GONE_WITHIN_S = 1.0
_GONE_POLL_S = 0.01


class _Called(NamedTuple):
    """A run that another one has called, and the thread that is to be forgotten with it."""

    ref: RunRef
    thread_id: str | None


class Deletion:
    """Forgets what is over. Every method may raise `AdminUnavailable`."""

    def __init__(
        self,
        ingress: Ingress,
        admin: Admin,
        reader: RunReader,
        threads: ThreadActions,
        webhooks: WebhookDeliveries,
    ) -> None:
        self._ingress = ingress
        self._admin = admin
        self._reader = reader
        self._threads = threads
        self._webhooks = webhooks

    async def run(self, ref: RunRef) -> None:
        """Forget a run, with those that it has called.

        Raises:
            UnknownRun: There is none.
            RunNotEnded: It goes on, or one that it has called, or its thread has yet to take over
                what it said.
        """
        outcome = await self._reader.end(ref)
        if isinstance(outcome, Pending):
            raise RunNotEnded(f"The run {ref.run_id} has not ended. Cancel it first.")
        if isinstance(outcome, Ended):
            thread_id = outcome.run.thread_id
        else:
            thread_id = await self._thread_of_killed(ref)
        below = await self._below([ref], with_thread=thread_id is None)
        for called in below:
            if isinstance(await self._ingress.outcome(called.ref), Pending):
                raise RunNotEnded(
                    f"The run {called.ref.run_id}, which it has called, has not ended. Cancel it "
                    "first."
                )
        await self._forget_called(below)
        await self._purge(ref, outcome)

    async def thread(self, thread: ThreadRef) -> None:
        """Forget a thread, and the runs on it that had ended by then.

        One that breaks off can be repeated: it goes on with the runs that are left.

        Raises:
            ThreadBusy: A run holds it; nothing was forgotten.
            UnknownThread: There is none, nor a run of it.
        """
        by_then = datetime.now(UTC)
        unknown: UnknownThread | None = None
        try:
            await self._threads.delete(thread)
        except UnknownThread as problem:
            unknown = problem
        wanted = RunFilter(thread_id=thread.thread_id, created_before=by_then)
        forgotten, cursor = 0, None
        while True:
            rows = await self._admin.runs(thread.tenant, wanted, _PAGE, cursor)
            refs = [ref for row in rows if row.thread_key is None and (ref := row.ref)]
            ended = [ref for ref in refs if await self._has_ended(ref)]
            await self._forget_called(await self._below(ended, with_thread=True))
            forgotten += await self._forget_all(ended)
            if len(rows) < _PAGE:
                break
            cursor = Cursor("runs", rows[-1].created_at, rows[-1].name)
        if unknown and not forgotten:
            raise unknown

    async def _below(self, callers: Sequence[RunRef], *, with_thread: bool) -> list[_Called]:
        """Return what runs have called, and what that has called, and so on: the deepest first.

        Args:
            callers: The runs.
            with_thread: Whether what they were on is forgotten, too, if they were on a thread:
                then the conversations go that called agents have beside it.
        """
        if not callers:
            return []
        found: list[_Called] = []
        for start in range(0, len(callers), _PAGE):
            rows = await self._admin.called_runs(callers[start : start + _PAGE])
            found += [_Called(ref, row.thread_id or None) for row in rows if (ref := row.ref)]
        stays = [each.ref for each in found if each.thread_id and not with_thread]
        goes = [each.ref for each in found if with_thread or not each.thread_id]
        return [
            *await self._below(goes, with_thread=True),
            *await self._below(stays, with_thread=False),
            *(each if with_thread else _Called(each.ref, None) for each in found),
        ]

    async def _forget_called(self, called: Sequence[_Called]) -> None:
        """Forget runs that others had called, with the conversations that nobody comes back to."""
        threads = {ThreadRef(each.ref.tenant, each.thread_id) for each in called if each.thread_id}
        for thread in threads:
            with suppress(UnknownThread, ThreadBusy):  # one that goes on keeps it
                await self._threads.delete(thread)
        await self._forget_all([each.ref for each in called])

    async def _forget_all(self, refs: Sequence[RunRef]) -> int:
        """Forget those of some runs that have ended, in their order; return how many those are."""
        forgotten = 0
        for start in range(0, len(refs), _AT_ONCE):
            done = await asyncio.gather(*map(self._forget, refs[start : start + _AT_ONCE]))
            forgotten += sum(done)
        return forgotten

    async def _forget(self, ref: RunRef) -> bool:
        """Forget a run if it has ended."""
        outcome = await self._ingress.outcome(ref)
        if isinstance(outcome, Pending | Unknown):
            return False
        await self._purge(ref, outcome)
        return True

    async def _has_ended(self, ref: RunRef) -> bool:
        return not isinstance(await self._ingress.outcome(ref), Pending | Unknown)

    async def _thread_of_killed(self, ref: RunRef) -> str | None:
        """Return the thread that a killed run was on.

        Raises:
            RunNotEnded: Its words are not there yet.
        """
        state = await self._ingress.status(ref, killed=True)
        if state is None or state.thread_id is None:
            return None
        thread = ThreadRef(ref.tenant, state.thread_id)
        holder: ThreadHolder | None = await self._ingress.thread_holder(thread)
        if holder and holder.run_id == ref.run_id:
            await self._ingress.check_holder(thread)
            raise RunNotEnded(
                f"The run {ref.run_id} was killed, and its thread is about to take over what it "
                "said. Try again in some seconds."
            )
        return state.thread_id

    async def _purge(self, ref: RunRef, outcome: Outcome) -> None:
        """Have Restate forget a run, and wait until it has."""
        if isinstance(outcome, Ended):  # those of a killed one are forgotten with time
            await self._webhooks.forget(ref, outcome.run)
        await self._admin.purge(ref)
        loop = asyncio.get_running_loop()
        deadline, delay_s = loop.time() + _GONE_WITHIN_S, _GONE_POLL_S
        while not isinstance(await self._ingress.outcome(ref), Unknown) and loop.time() < deadline:
            await asyncio.sleep(delay_s)
            delay_s *= 2
