"""Restate's admin API: queries, the worker's registration, and what operators do to a run.

Everything here is an extra: without the admin API, runs go on and are served.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from outlast.addresses import Address
from outlast.contract import DIGEST
from outlast.errors import AdminUnavailable, RunNotEnded, RunNotPaused
from outlast.logging import get_logger
from outlast.names import RunRef, service_of
from outlast.protocol import Run
from outlast_app.cursors import Cursor
from outlast_app.restate import queries
from outlast_app.restate.outcomes import Submission
from outlast_app.restate.rows import (
    CalledRow,
    EngineRow,
    IdRow,
    LineRow,
    ListedRow,
    MetadataRow,
    OpenCallRow,
    PendingRow,
    RunRow,
    StateRow,
    SubmissionRow,
    ThreadRow,
    lines_of,
    listed_runs,
    runs_of,
)
from outlast_app.restate.together import Together
from outlast_app.run_filter import RunFilter

_TIMEOUT_S = 1.5
_LISTING_TIMEOUT_S = 5.0
_logger = get_logger()
R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")


class _Rows(BaseModel):
    rows: list[dict[str, Any]]


class _Service(BaseModel):
    metadata: dict[str, str] = {}


_ROWS = TypeAdapter(_Rows)
_SERVICE = TypeAdapter(_Service)


class Admin:
    """A client of the admin API. Every method may raise `AdminUnavailable`."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, prefix: str) -> None:
        self._session = session
        self._address = address
        self._prefix = prefix
        self._submissions = Together(self._find_submissions)

    async def storage_fault(self) -> str | None:
        """Return what keeps Restate from reading and writing, such as a full disk; None if nothing.

        Its health checks say that all is well then, and what is sent to it hangs.
        """
        query = {"query": queries.PARTITIONS_QUERY}
        status, body = await self._request("POST", "/query", _TIMEOUT_S, json=query)
        return None if status == 200 else _beginning(body)

    async def engine_row(self, ref: RunRef) -> EngineRow | None:
        """Return the engine's view of a run, or None where Restate knows none."""
        rows = await self._query(EngineRow, queries.invocation_query(self._prefix, ref))
        return rows[0] if rows else None

    async def submission(self, ref: RunRef) -> Submission | None:
        """Return a run that waits to be seen by its thread, as it was submitted first."""
        return await self._submissions.of(ref)

    async def run_state(self, ref: RunRef) -> Run | None:
        """Return the run as the worker has left it; None before it has begun."""
        rows = await self._query(StateRow, queries.state_query(self._prefix, ref))
        return _read(lambda: runs_of(rows)).get(ref.run_id)

    async def run_states(
        self, partition_keys: Mapping[str, int], approval_ids: Sequence[str] | None = None
    ) -> Mapping[str, Run]:
        """Return what runs say of themselves, by run id, with the beginnings of long outputs.

        Args:
            partition_keys: Of each run, by its key in Restate.
            approval_ids: Which of their approvals to read; by default all.
        """
        if not partition_keys:
            return {}
        query = queries.states_query(self._prefix, partition_keys, approval_ids)
        rows = await self._list(ListedRow, query)
        return _read(lambda: listed_runs(rows))

    async def runs(
        self, tenant: str, wanted: RunFilter, limit: int, after: Cursor | None
    ) -> Sequence[RunRow]:
        """Return a tenant's runs, newest first."""
        return await self._list(
            RunRow, queries.runs_query(self._prefix, tenant, wanted, limit, after)
        )

    async def called_runs(self, refs: Sequence[RunRef]) -> Sequence[CalledRow]:
        """Return the runs that some others have called."""
        return await self._list(CalledRow, queries.called_runs_query(self._prefix, refs))

    async def threads(
        self, tenant: str, metadata: Mapping[str, str], limit: int, after: Cursor | None
    ) -> Sequence[ThreadRow]:
        """Return a tenant's threads that have this metadata, those that changed last first."""
        return await self._list(
            ThreadRow, queries.threads_query(self._prefix, tenant, metadata, limit, after)
        )

    async def threads_metadata(
        self, partition_keys: Mapping[str, int]
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the metadata of some threads that have any, by thread id."""
        if not partition_keys:
            return {}
        query = queries.threads_metadata_query(self._prefix, partition_keys)
        return {row.name: row.value_utf8 for row in await self._list(MetadataRow, query)}

    async def lines(self, partition_keys: Mapping[str, int]) -> Mapping[str, Sequence[str]]:
        """Return which runs wait for some threads, next one first, by thread id."""
        if not partition_keys:
            return {}
        rows = await self._list(LineRow, queries.lines_query(self._prefix, partition_keys))
        return lines_of(rows)

    async def approvals(self, tenant: str) -> Sequence[PendingRow]:
        """Return what a tenant's runs wait for people to decide."""
        return await self._list(PendingRow, queries.approvals_query(self._prefix, tenant))

    async def calls(self, tenant: str) -> Sequence[OpenCallRow]:
        """Return which calls of a tenant's runs wait for clients."""
        return await self._list(OpenCallRow, queries.calls_query(self._prefix, tenant))

    async def resume(self, ref: RunRef) -> None:
        """Let a paused run try again.

        Raises:
            RunNotPaused: It has ended meanwhile.
        """
        if not await self._administer(ref, "resume"):
            raise RunNotPaused(f"The run {ref.run_id} has ended; nothing is left to resume.")

    async def cancel_at_once(self, ref: RunRef) -> None:
        """Cancel a run that has not ended: Restate hands it to the run before all else.

        A paused run is resumed by it. It needs no worker.
        """
        await self._administer(ref, "cancel")

    async def purge(self, ref: RunRef) -> None:
        """Forget a run that has ended, with all that it keeps.

        Raises:
            RunNotEnded: It goes on.
        """
        for row in await self._query(IdRow, queries.invocation_query(self._prefix, ref)):
            path = f"/invocations/{row.id}/purge"
            status, body = await self._request("PATCH", path, _TIMEOUT_S)
            if status == 409:
                raise RunNotEnded(f"The run {ref.run_id} has not ended. Cancel it first.")
            if status >= 300 and status != 404:
                raise _refused(status, body)

    async def digests(self, agents: list[str]) -> Mapping[str, str | None]:
        """Return the digest of each agent's service that Restate serves; None: not registered."""
        services = [service_of(agent, self._prefix) for agent in agents]
        found = await asyncio.gather(*(self._service(service) for service in services))
        return {
            agent: None if service is None else service.metadata.get(DIGEST, "")
            for agent, service in zip(agents, found, strict=True)
        }

    async def _find_submissions(self, refs: Sequence[RunRef]) -> Mapping[RunRef, Submission]:
        rows = await self._query(SubmissionRow, queries.submissions_query(self._prefix, refs))
        # Of several calls the first one counts, so it is put in last.
        return {row.ref: row.submission for row in reversed(rows)}

    async def _list(self, row: type[R], sql: str) -> list[R]:
        return await self._query(row, sql, _LISTING_TIMEOUT_S)

    async def _query(self, row: type[R], sql: str, timeout_s: float = _TIMEOUT_S) -> list[R]:
        """Ask Restate's introspection. A query that is given up ends in Restate too."""
        status, body = await self._request("POST", "/query", timeout_s, json={"query": sql})
        if status != 200:
            raise _refused(status, body)
        rows = _read(lambda: _ROWS.validate_json(body).rows)
        return _read(lambda: [row.model_validate(found) for found in rows])

    async def _administer(self, ref: RunRef, action: Literal["cancel", "resume"]) -> bool:
        """Do something to a run as an operator would; False if it has ended."""
        rows = await self._query(IdRow, queries.invocation_query(self._prefix, ref))
        for row in rows:
            path = f"/invocations/{row.id}/{action}"
            status, body = await self._request("PATCH", path, _TIMEOUT_S)
            if status in (404, 409):
                return False
            if status >= 300:
                raise _refused(status, body)
        return bool(rows)

    async def _service(self, name: str) -> _Service | None:
        status, body = await self._request("GET", f"/services/{name}", _TIMEOUT_S)
        if status == 404:
            return None
        if status != 200:
            raise _refused(status, body)
        return _read(lambda: _SERVICE.validate_json(body))

    async def _request(
        self, method: str, path: str, timeout_s: float, **options: Any
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method, self._address.base_url + path, headers=headers, **options
                ) as response,
            ):
                return response.status, await response.read()
        except TimeoutError:
            raise _unavailable(f"did not answer within {timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            _logger.debug("admin_not_reached", url=self._address.url, reason=repr(error))
            raise _unavailable("can't be reached at RESTATE_ADMIN_URL") from error


def _read(answer: Callable[[], T]) -> T:
    try:
        return answer()
    except ValidationError as error:
        raise _unavailable("answered what can't be read") from error


def _refused(status: int, body: bytes) -> AdminUnavailable:
    return _unavailable(f"answered {status}: {_beginning(body)}")


def _beginning(body: bytes) -> str:
    return body.decode(errors="replace")[:500]


def _unavailable(what: str) -> AdminUnavailable:
    return AdminUnavailable(f"Restate's admin API {what}. Runs go on without it; try again.")
