"""Listings: what a tenant has, page by page, newest first.

A query reads all of a table, whatever the page: see `outlast_app.restate.queries`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter, itemgetter

from outlast.names import RunRef
from outlast.protocol import (
    ApprovalPage,
    CallPage,
    PendingApproval,
    PendingCall,
    Run,
    RunPage,
    Thread,
    ThreadPage,
    Time,
)
from outlast_app.cursors import Cursor
from outlast_app.restate.admin import Admin
from outlast_app.restate.outcomes import Broken
from outlast_app.restate.rows import OpenCallRow, PendingRow, RunRow, ThreadRow
from outlast_app.run_filter import RunFilter
from outlast_app.runs.views import accepted_run, broken_run, expiry_of, with_engine

_KILLED = "[409]"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class _Waiting:
    row: PendingRow
    approval_id: str
    requested_at: Time

    @property
    def cursor(self) -> Cursor:
        return Cursor("approvals", self.requested_at, f"{self.row.name}:{self.approval_id}")


class Listings:
    """Lists what a tenant has. Every method may raise `AdminUnavailable`."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def runs(
        self, tenant: str, wanted: RunFilter, limit: int, after: Cursor | None
    ) -> RunPage:
        """List runs, newest first.

        When Restate accepted a run decides on its page. `created_at` is when the app received it,
        some milliseconds earlier, and orders the page.
        """
        rows = await self._admin.runs(tenant, wanted, limit + 1, after)
        page, more = rows[:limit], len(rows) > limit
        # A key that was given with two bodies while no worker was there: the first one counts.
        each = {row.name: row for row in page}.values()
        states = await self._admin.run_states({row.service_key: row.partition_key for row in each})
        runs = [_run(ref, row, states.get(row.name)) for row in each if (ref := row.ref)]
        # A run may have changed its status between the two queries.
        fitting = [run for run in runs if not wanted.statuses or run.status in wanted.statuses]
        fitting.sort(key=lambda run: run.created_at or _LONG_AGO, reverse=True)
        last = Cursor("runs", page[-1].created_at, page[-1].name) if more else None
        return RunPage(items=fitting, next_cursor=last and last.write())

    async def threads(
        self, tenant: str, metadata: Mapping[str, str], limit: int, after: Cursor | None
    ) -> ThreadPage:
        """List threads, those that changed last first; who changes meanwhile is at the front."""
        rows = await self._admin.threads(tenant, metadata, limit + 1, after)
        page, more = rows[:limit], len(rows) > limit
        last = Cursor("threads", page[-1].value_utf8.updated_at, page[-1].name) if more else None
        keys = {row.service_key: row.partition_key for row in page}
        waiting = {row.service_key for row in page if row.value_utf8.waiting}
        lines = await self._admin.lines({key: keys[key] for key in waiting})
        said = await self._admin.threads_metadata(keys)
        items = [_thread(row, lines.get(row.name, ()), said.get(row.name, {})) for row in page]
        return ThreadPage(items=items, next_cursor=last and last.write())

    async def approvals(self, tenant: str, limit: int, after: Cursor | None) -> ApprovalPage:
        """List what waits for a person, newest first.

        What is pending is counted for each page, and read for the page alone.
        """
        waiting = [
            _Waiting(row, approval_id, requested_at)
            for row in await self._admin.approvals(tenant)
            for approval_id, requested_at in row.approvals().items()
        ]
        later = [each for each in waiting if after is None or each.cursor < after]
        later.sort(key=attrgetter("cursor"), reverse=True)
        page, more = later[:limit], len(later) > limit
        runs = await self._admin.run_states(
            {each.row.service_key: each.row.partition_key for each in page},
            [each.approval_id for each in page],
        )
        items = [item for each in page for item in _pending(each, runs.get(each.row.name))]
        return ApprovalPage(items=items, next_cursor=page[-1].cursor.write() if more else None)

    async def calls(self, tenant: str, limit: int, after: Cursor | None) -> CallPage:
        """List what waits for a client, newest first."""
        waiting = [
            (Cursor("calls", row.value_utf8, f"{row.name}:{row.call_id}"), row)
            for row in await self._admin.calls(tenant)
        ]
        later = [each for each in waiting if after is None or each[0] < after]
        later.sort(key=itemgetter(0), reverse=True)
        page, more = later[:limit], len(later) > limit
        runs = await self._admin.run_states(
            {row.service_key: row.partition_key for _, row in page},
            [row.call_id for _, row in page],
        )
        items = [item for _, row in page for item in _open_call(row, runs.get(row.name))]
        return CallPage(items=items, next_cursor=page[-1][0].write() if more else None)


def _open_call(row: OpenCallRow, run: Run | None) -> Iterator[PendingCall]:
    """Yield the call, if it was not answered between the two queries."""
    for call in run.calls if run else []:
        if run and call.call_id == row.call_id and call.answer is None:
            yield PendingCall(
                **call.model_dump(),
                run_id=run.run_id,
                agent=run.agent,
                thread_id=run.thread_id,
            )


def _run(ref: RunRef, row: RunRow, state: Run | None) -> Run:
    """Return the run as `GET /runs/{run_id}` does, without its messages."""
    run = state or accepted_run(ref, row.created_at, thread_id=row.thread_id).model_copy(
        update={"messages": None}
    )
    if row.thread_key:
        return run
    if row.completion_failure is None:
        return with_engine(run, row)
    killed = row.completion_failure.startswith(_KILLED)
    return broken_run(ref, run, Broken(killed=killed, reason=row.completion_failure))


def _thread(row: ThreadRow, line: Sequence[str], metadata: Mapping[str, str]) -> Thread:
    head = row.value_utf8
    return Thread(
        thread_id=row.name,
        status="busy" if head.holder else "idle",
        run_id=head.holder.run_id if head.holder else None,
        queued=list(line) or [run.run_id for run in head.queue],
        message_count=sum(head.page_counts),
        metadata=dict(metadata),
        expires_at=expiry_of(head.updated_at, head.expires_after_s, busy=bool(head.holder)),
        summary=head.summary,
        created_at=head.created_at,
        updated_at=head.updated_at,
    )


def _pending(waiting: _Waiting, run: Run | None) -> Iterator[PendingApproval]:
    """Yield the approval, if it was not resolved between the two queries."""
    for approval in run.approvals if run else []:
        if run and approval.id == waiting.approval_id and approval.resolution is None:
            yield PendingApproval(
                **approval.model_dump(),
                run_id=run.run_id,
                agent=run.agent,
                thread_id=run.thread_id,
                input_preview=run.input_preview,
            )
