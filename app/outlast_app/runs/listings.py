"""Listings: queries over all runs and threads of a tenant, and the pages they give.

Restate has no index, so a query reads a whole table: that of invocations, or that of states, which
is the larger one. Only rows of states whose partition keys are known are found at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Protocol, TypeVar

from pydantic import BaseModel, Json

from outlast.contract import APPROVALS_KEY, HEAD_KEY, RUN_KEY
from outlast.names import key_of, service_of, thread_service
from outlast.protocol import (
    ENDED,
    Approval,
    ApprovalPage,
    PendingApproval,
    Run,
    RunPage,
    RunStatus,
    Thread,
    ThreadPage,
    Time,
)
from outlast_app.cursors import Cursor
from outlast_app.restate.admin import Admin, EngineRow, sql_text
from outlast_app.restate.outcomes import Broken
from outlast_app.runs.reader import broken_run, submitted_run, unseen_run, with_engine

E = TypeVar("E", bound="_Entry")

_TIMEOUT_S = 5.0
_KILLED = "[409]"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list; None lists all."""

    agent: str | None = None
    thread_id: str | None = None
    status: RunStatus | None = None


class _Entry(Protocol):
    @property
    def cursor(self) -> Cursor: ...


class _Row(BaseModel):
    service_key: str

    @property
    def name(self) -> str:
        """The run's or the thread's id: what follows the tenant."""
        return self.service_key.partition("/")[2]


class _RunRow(_Row, EngineRow):
    """A run, or one that its thread has not seen yet: only that has the thread's key."""

    partition_key: int
    thread_key: str | None = None
    completion_failure: str | None = None

    @property
    def cursor(self) -> Cursor:
        return Cursor("runs", self.created_at, self.name)


class _StateRow(_Row):
    value_utf8: Json[Run]


class _ApprovalsRow(_Row):
    partition_key: int
    value_utf8: Json[list[Approval]]


class _Member(BaseModel):
    run_id: str


class _Head(BaseModel):
    holder: _Member | None
    queue: list[_Member]
    page_counts: list[int]
    created_at: Time
    updated_at: Time


class _ThreadRow(_Row):
    value_utf8: Json[_Head]

    @property
    def cursor(self) -> Cursor:
        return Cursor("threads", self.value_utf8.created_at, self.name)


@dataclass(frozen=True)
class _Waiting:
    row: _ApprovalsRow
    approval: Approval

    @property
    def cursor(self) -> Cursor:
        name = f"{self.row.name}:{self.approval.call_id}"
        return Cursor("approvals", self.approval.requested_at, name)


class Listings:
    """Lists what a tenant has. Every method may raise `AdminUnavailable`."""

    def __init__(self, admin: Admin, prefix: str) -> None:
        self._admin = admin
        self._prefix = prefix

    async def runs(
        self, tenant: str, wanted: RunFilter, limit: int, after: Cursor | None
    ) -> RunPage:
        """List runs, newest first.

        When Restate accepted a run decides on its page. `created_at` is when the app received it,
        some milliseconds earlier, and orders the page.
        """
        query = runs_query(self._prefix, tenant, wanted, limit + 1, after)
        found = await self._admin.query(_RunRow, query, _TIMEOUT_S)
        rows, next_cursor = _cut(found, limit)
        # A key that was given with two bodies while no worker was there: the first one counts.
        each = {row.name: row for row in rows}.values()
        states = await self._states({row.service_key: row.partition_key for row in each})
        runs = [_run(row, states.get(row.name)) for row in each]
        # A run may have changed its status between the two queries.
        fitting = [run for run in runs if wanted.status in (None, run.status)]
        fitting.sort(key=lambda run: run.created_at or _LONG_AGO, reverse=True)
        return RunPage(items=fitting, next_cursor=next_cursor)

    async def threads(self, tenant: str, limit: int, after: Cursor | None) -> ThreadPage:
        """List threads, newest first."""
        query = threads_query(self._prefix, tenant, limit + 1, after)
        found = await self._admin.query(_ThreadRow, query, _TIMEOUT_S)
        rows, next_cursor = _cut(found, limit)
        return ThreadPage(items=[_thread(row) for row in rows], next_cursor=next_cursor)

    async def approvals(self, tenant: str, limit: int, after: Cursor | None) -> ApprovalPage:
        """List what waits for a person, newest first.

        All that is pending is read for each page: what people decide on can't be that much.
        """
        query = approvals_query(self._prefix, tenant)
        found = await self._admin.query(_ApprovalsRow, query, _TIMEOUT_S)
        waiting = [_Waiting(row, approval) for row in found for approval in row.value_utf8]
        later = [each for each in waiting if after is None or each.cursor < after]
        later.sort(key=attrgetter("cursor"), reverse=True)
        page, next_cursor = _cut(later, limit)
        runs = await self._states({each.row.service_key: each.row.partition_key for each in page})
        items = [_pending(each, run) for each in page if (run := runs.get(each.row.name))]
        return ApprovalPage(items=items, next_cursor=next_cursor)

    async def _states(self, partition_keys: Mapping[str, int]) -> dict[str, Run]:
        """Return what runs say of themselves, by run id."""
        if not partition_keys:
            return {}
        found = await self._admin.query(_StateRow, states_query(partition_keys), _TIMEOUT_S)
        return {row.name: row.value_utf8 for row in found}


def runs_query(
    prefix: str, tenant: str, wanted: RunFilter, limit: int, after: Cursor | None
) -> str:
    """Select the engine's rows of a tenant's runs, newest first."""
    conditions = [_is_run(prefix, tenant)]
    if wanted.agent:
        conditions.append(f"i.target_service_name = {sql_text(service_of(wanted.agent, prefix))}")
    if wanted.thread_id:
        ending = sql_text(f',"thread_id":"{wanted.thread_id}"')
        conditions.append(f"ends_with(split_part(s.value_utf8, ',\"status\":', 1), {ending})")
    if wanted.status:
        conditions.append(f"{_STATUS} = {sql_text(wanted.status)}")
    needs_state = wanted.thread_id or wanted.status
    found = f"""
            SELECT {_ENGINE_COLUMNS}, i.target_service_key AS service_key,
                   CAST(NULL AS VARCHAR) AS thread_key
            FROM sys_invocation_status i
            LEFT JOIN sys_invocation_state e ON e.id = i.id
            {_WITH_STATE if needs_state else ""}
            WHERE {" AND ".join(conditions)}
    """  # noqa: S608  # values are written by sql_text
    if wanted.status in (None, "queued"):
        found += f"UNION ALL {_submissions_query(prefix, tenant, wanted)}"
    later = _comes_after("created_at", "service_key", tenant, after) if after else "true"
    return f"""
        SELECT * FROM ({found})
        WHERE {later}
        ORDER BY created_at DESC, service_key DESC
        LIMIT {limit}
    """  # noqa: S608  # values are written by sql_text


def _submissions_query(prefix: str, tenant: str, wanted: RunFilter) -> str:
    """Select the runs that their threads have not seen yet; `Ingress.submit` names them so."""
    thread = sql_text(key_of(tenant, wanted.thread_id or ""))
    agent = sql_text(f"{wanted.agent}." if wanted.agent else "")
    name = f"concat({sql_text(key_of(tenant, ''))}, split_part(i.idempotency_key, ':', 1))"
    key = "i.target_service_key"
    return f"""
            SELECT {_ENGINE_COLUMNS}, {name} AS service_key, {key} AS thread_key
            FROM sys_invocation_status i
            LEFT JOIN sys_invocation_state e ON e.id = i.id
            WHERE i.target_service_name = {sql_text(thread_service(prefix))}
                AND i.target_handler_name = 'submit' AND i.status <> 'completed'
                AND {f"{key} = {thread}" if wanted.thread_id else f"starts_with({key}, {thread})"}
                AND starts_with(i.idempotency_key, {agent})
                AND {name} NOT IN (
                    SELECT {key} FROM sys_invocation_status i WHERE {_is_run(prefix, tenant)}
                )
    """  # noqa: S608  # values are written by sql_text


def states_query(partition_keys: Mapping[str, int]) -> str:
    """Select the states of some runs, by their keys."""
    partitions = ", ".join(str(partition_key) for partition_key in partition_keys.values())
    keys = ", ".join(sql_text(key) for key in partition_keys)
    return f"""
        SELECT service_key, value_utf8 FROM state
        WHERE partition_key IN ({partitions}) AND service_key IN ({keys}) AND key = '{RUN_KEY}'
    """  # noqa: S608  # values are written by sql_text


def threads_query(prefix: str, tenant: str, limit: int, after: Cursor | None) -> str:
    """Select a tenant's threads, newest first."""
    service, tenants = sql_text(thread_service(prefix)), sql_text(key_of(tenant, ""))
    later = _comes_after("created_at", "service_key", tenant, after) if after else "true"
    return f"""
        SELECT service_key, value_utf8
        FROM (
            SELECT service_key, value_utf8,
                   TRY_CAST({_text_in("value_utf8", "created_at")} AS TIMESTAMP) AS created_at
            FROM state
            WHERE service_name = {service} AND key = '{HEAD_KEY}'
                  AND starts_with(service_key, {tenants})
        )
        WHERE {later}
        ORDER BY created_at DESC, service_key DESC
        LIMIT {limit}
    """  # noqa: S608  # values are written by sql_text


def approvals_query(prefix: str, tenant: str) -> str:
    """Select a tenant's pending approvals; a killed run leaves its own behind."""
    return f"""
        SELECT i.partition_key, s.service_key, s.value_utf8
        FROM sys_invocation_status i
        JOIN state s ON {_SAME_KEY} AND s.key = '{APPROVALS_KEY}'
        WHERE {_is_run(prefix, tenant)} AND i.status <> 'completed'
    """  # noqa: S608  # values are written by sql_text


def _is_run(prefix: str, tenant: str) -> str:
    """Tell the tenant's runs from all other invocations, those of other prefixes among them."""
    agent = f"substr(i.target_service_name, {len(prefix) + 1})"
    beginning = f"concat({sql_text(key_of(tenant, ''))}, {agent}, '.')"
    return (
        f"i.target_handler_name = 'run' AND starts_with(i.target_service_name, {sql_text(prefix)})"
        f" AND starts_with(i.target_service_key, {beginning})"
    )


def _comes_after(time: str, key: str, tenant: str, after: Cursor) -> str:
    at = f"TIMESTAMP {sql_text(after.at.isoformat())}"
    name = sql_text(key_of(tenant, after.name))
    return f"({time} < {at} OR ({time} = {at} AND {key} < {name}))"


def _text_in(json: str, field: str) -> str:
    """Return the first text of this name in a JSON column."""
    return f"split_part(split_part({json}, '\"{field}\":\"', 2), '\"', 1)"


_ENGINE_COLUMNS = """i.partition_key, i.status, i.created_at, i.completion_failure,
                   e.retry_count, e.last_failure, e.next_retry_at"""
# The first fields of a state are names and never free text, so the first `status` is the run's.
_SAID = _text_in("s.value_utf8", "status")
_SAME_KEY = "s.service_name = i.target_service_name AND s.service_key = i.target_service_key"
_WITH_STATE = f"LEFT JOIN state s ON {_SAME_KEY} AND s.key = '{RUN_KEY}'"
_STATUS = f"""(CASE
    WHEN i.completion_failure IS NOT NULL THEN 'failed'
    WHEN {_SAID} IN ({", ".join(sql_text(status) for status in sorted(ENDED))}) THEN {_SAID}
    WHEN i.status = 'paused' THEN 'paused'
    ELSE coalesce({_SAID}, 'queued')
END)"""


def _cut(found: Sequence[E], limit: int) -> tuple[Sequence[E], str | None]:
    """Return a page, and where the next one goes on if more than the page was found."""
    more = len(found) > limit
    return found[:limit], found[limit - 1].cursor.write() if more else None


def _run(row: _RunRow, state: Run | None) -> Run:
    """Return the run as `GET /runs/{run_id}` does."""
    engine = row.state()
    if row.thread_key:
        return submitted_run(row.name, row.thread_key.partition("/")[2], row.created_at)
    run = state or unseen_run(row.name, engine)
    if row.completion_failure is None:
        return with_engine(run, engine)
    killed = row.completion_failure.startswith(_KILLED)
    return broken_run(row.name, run, Broken(killed=killed, reason=row.completion_failure))


def _thread(row: _ThreadRow) -> Thread:
    head = row.value_utf8
    return Thread(
        thread_id=row.name,
        status="busy" if head.holder else "idle",
        run_id=head.holder.run_id if head.holder else None,
        queued=[run.run_id for run in head.queue],
        message_count=sum(head.page_counts),
        created_at=head.created_at,
        updated_at=head.updated_at,
    )


def _pending(waiting: _Waiting, run: Run) -> PendingApproval:
    return PendingApproval(
        **waiting.approval.model_dump(), run_id=run.run_id, agent=run.agent, thread_id=run.thread_id
    )
