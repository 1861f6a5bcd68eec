"""Forgets runs that have ended, with all that they keep; alone, or with their thread."""

import asyncio
from datetime import UTC, datetime

from outlast.contract import ThreadHolder
from outlast.errors import RunNotEnded, UnknownThread
from outlast.names import RunRef, ThreadRef
from outlast_app.cursors import Cursor
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Pending, Unknown
from outlast_app.run_filter import RunFilter
from outlast_app.runs.actions import ThreadActions
from outlast_app.runs.reader import RunReader

_PAGE = 100
_AT_ONCE = 8
_GONE_WITHIN_S = 1.0
_GONE_POLL_S = 0.01


class Deletion:
    """Forgets what is over. Every method may raise `AdminUnavailable`."""

    def __init__(
        self, ingress: Ingress, admin: Admin, reader: RunReader, threads: ThreadActions
    ) -> None:
        self._ingress = ingress
        self._admin = admin
        self._reader = reader
        self._threads = threads

    async def run(self, ref: RunRef) -> None:
        """Forget a run.

        Raises:
            UnknownRun: There is none.
            RunNotEnded: It goes on, or its thread has yet to take over what it said.
        """
        outcome = await self._reader.outcome(ref)
        if isinstance(outcome, Pending):
            raise RunNotEnded(f"The run {ref.run_id} has not ended. Cancel it first.")
        if isinstance(outcome, Broken):
            await self._check_released(ref)
        await self._purge(ref)

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
            for start in range(0, len(refs), _AT_ONCE):
                done = await asyncio.gather(*map(self._forget, refs[start : start + _AT_ONCE]))
                forgotten += sum(done)
            if len(rows) < _PAGE:
                break
            cursor = Cursor("runs", rows[-1].created_at, rows[-1].name)
        if unknown and not forgotten:
            raise unknown

    async def _forget(self, ref: RunRef) -> bool:
        """Forget a run if it has ended."""
        if isinstance(await self._ingress.outcome(ref), Pending | Unknown):
            return False
        await self._purge(ref)
        return True

    async def _check_released(self, ref: RunRef) -> None:
        """Refuse to forget a killed run whose words are not on its thread yet."""
        state = await self._ingress.status(ref, killed=True)
        if state is None or state.thread_id is None:
            return
        thread = ThreadRef(ref.tenant, state.thread_id)
        holder: ThreadHolder | None = await self._ingress.thread_holder(thread)
        if holder and holder.run_id == ref.run_id:
            await self._ingress.check_holder(thread)
            raise RunNotEnded(
                f"The run {ref.run_id} was killed, and its thread is about to take over what it "
                "said. Try again in some seconds."
            )

    async def _purge(self, ref: RunRef) -> None:
        """Have Restate forget a run, and wait until it has."""
        await self._admin.purge(ref)
        loop = asyncio.get_running_loop()
        deadline, delay_s = loop.time() + _GONE_WITHIN_S, _GONE_POLL_S
        while not isinstance(await self._ingress.outcome(ref), Unknown) and loop.time() < deadline:
            await asyncio.sleep(delay_s)
            delay_s *= 2
