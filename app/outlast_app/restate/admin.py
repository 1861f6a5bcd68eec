"""Restate's admin API: queries, the worker's registration, and what operators do to a run.

Everything here is an extra: without the admin API, runs go on and are served.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from outlast.contract import DIGEST, RUN_KEY
from outlast.errors import AdminUnavailable, RunNotPaused
from outlast.logging import get_logger
from outlast.names import agent_of, key_of, service_of, thread_service
from outlast.protocol import Engine, Run, Time

_TIMEOUT_S = 1.5
_FAILURE_CHARS = 300
_logger = get_logger()
R = TypeVar("R", bound=BaseModel)


class EngineRow(BaseModel):
    """A run's row of Restate's tables; what is null there is left out."""

    status: str
    retry_count: int = 0
    last_failure: str | None = None
    next_retry_at: Time | None = None
    created_at: Time

    def state(self) -> "EngineState":
        """Return what clients may see of it."""
        failure = self.last_failure.splitlines()[0][:_FAILURE_CHARS] if self.last_failure else None
        return EngineState(
            paused=self.status == "paused",
            created_at=self.created_at,
            engine=Engine(
                attempts=self.retry_count, last_failure=failure, next_retry_at=self.next_retry_at
            ),
        )


class _SubmissionRow(BaseModel):
    id: str
    target_service_key: str
    idempotency_key: str
    created_at: Time


class _StateRow(BaseModel):
    value_utf8: str


@dataclass(frozen=True)
class EngineState:
    """A run that has not ended, as Restate sees it."""

    paused: bool
    created_at: Time
    engine: Engine


@dataclass(frozen=True)
class Submission:
    """A run that Restate has accepted and its thread has not seen yet.

    `invocation_id` is Restate's, of the handler that is to see it.
    """

    invocation_id: str
    thread_id: str
    body_hash: str
    created_at: Time


class _Id(BaseModel):
    id: str


class _Rows(BaseModel):
    rows: list[dict[str, Any]]


class _Service(BaseModel):
    metadata: dict[str, str] = {}


_ROWS = TypeAdapter(_Rows)
_SERVICE = TypeAdapter(_Service)


class Admin:
    """A client of the admin API. Every method may raise `AdminUnavailable`."""

    def __init__(self, session: aiohttp.ClientSession, url: str, prefix: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._prefix = prefix

    async def query(self, row: type[R], sql: str, timeout_s: float = _TIMEOUT_S) -> list[R]:
        """Ask Restate's introspection; values in the query are written by `sql_text`.

        A query that is given up ends in Restate too.
        """
        status, body = await self._request("POST", "/query", timeout_s, json={"query": sql})
        if status != 200:
            raise _unavailable(
                f"answered a query with {status}: {body.decode(errors='replace')[:500]}"
            )
        try:
            rows = _ROWS.validate_json(body).rows
            return [row.model_validate(found) for found in rows]
        except ValidationError as error:
            raise _unavailable("answered what can't be read") from error

    async def engine_state(self, tenant: str, run_id: str) -> EngineState | None:
        """Return the engine's view of a run, or None where Restate knows none."""
        columns = "status, retry_count, last_failure, next_retry_at, created_at"
        rows = await self.query(EngineRow, self._invocation(columns, tenant, run_id))
        return rows[0].state() if rows else None

    async def resume(self, tenant: str, run_id: str) -> None:
        """Let a paused run try again.

        Raises:
            RunNotPaused: It has ended meanwhile.
        """
        for row in await self.query(_Id, self._invocation("id", tenant, run_id)):
            path = f"/invocations/{row.id}/resume"
            status, body = await self._request("PATCH", path, _TIMEOUT_S)
            if status in (404, 409):
                raise RunNotPaused(f"The run {run_id} has ended; nothing is left to resume.")
            if status >= 300:
                raise _unavailable(f"answered {status}: {body.decode(errors='replace')[:500]}")

    async def submission(self, tenant: str, run_id: str) -> Submission | None:
        """Return a run that waits to be seen by its thread, as it was submitted first."""
        thread_prefix = key_of(tenant, "")
        rows = await self.query(
            _SubmissionRow,
            "SELECT id, target_service_key, idempotency_key, created_at FROM sys_invocation"  # noqa: S608  # sql_text
            f" WHERE target_service_name = {sql_text(thread_service(self._prefix))}"
            f" AND starts_with(target_service_key, {sql_text(thread_prefix)})"
            " AND target_handler_name = 'submit'"
            f" AND starts_with(idempotency_key, {sql_text(f'{run_id}:')})"
            " ORDER BY created_at LIMIT 1",
        )
        if not rows:
            return None
        return Submission(
            invocation_id=rows[0].id,
            thread_id=rows[0].target_service_key.removeprefix(thread_prefix),
            body_hash=rows[0].idempotency_key.partition(":")[2],
            created_at=rows[0].created_at,
        )

    async def run_state(self, tenant: str, run_id: str) -> Run | None:
        """Return the run as the worker has left it; None before it has begun."""
        service = service_of(agent_of(run_id) or "", self._prefix)
        rows = await self.query(
            _StateRow,
            f"SELECT value_utf8 FROM state WHERE service_name = {sql_text(service)}"  # noqa: S608  # sql_text
            f" AND service_key = {sql_text(key_of(tenant, run_id))} AND key = '{RUN_KEY}'",
        )
        try:
            return Run.model_validate_json(rows[0].value_utf8) if rows else None
        except ValidationError as error:
            raise _unavailable("answered what can't be read") from error

    async def digests(self, agents: list[str]) -> Mapping[str, str | None]:
        """Return the digest of each agent's service that Restate serves; None: not registered."""
        services = [service_of(agent, self._prefix) for agent in agents]
        found = await asyncio.gather(*(self._service(service) for service in services))
        return {
            agent: None if service is None else service.metadata.get(DIGEST, "")
            for agent, service in zip(agents, found, strict=True)
        }

    def _invocation(self, columns: str, tenant: str, run_id: str) -> str:
        service = service_of(agent_of(run_id) or "", self._prefix)
        return (
            f"SELECT {columns} FROM sys_invocation WHERE target_handler_name = 'run'"  # noqa: S608  # sql_text
            f" AND target_service_name = {sql_text(service)}"
            f" AND target_service_key = {sql_text(key_of(tenant, run_id))}"
        )

    async def _service(self, name: str) -> _Service | None:
        status, body = await self._request("GET", f"/services/{name}", _TIMEOUT_S)
        if status == 404:
            return None
        if status != 200:
            raise _unavailable(f"answered {status}: {body.decode(errors='replace')[:500]}")
        try:
            return _SERVICE.validate_json(body)
        except ValidationError as error:
            raise _unavailable("answered what can't be read") from error

    async def _request(
        self, method: str, path: str, timeout_s: float, **options: Any
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method, self._url + path, headers=headers, **options
                ) as response,
            ):
                return response.status, await response.read()
        except TimeoutError:
            raise _unavailable(f"did not answer within {timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            _logger.debug("admin_not_reached", url=self._url, reason=repr(error))
            raise _unavailable("can't be reached at RESTATE_ADMIN_URL") from error


def sql_text(value: str) -> str:
    """Write a value into a query: a text in DataFusion's SQL has no escapes but the quote's."""
    return "'" + value.replace("'", "''") + "'"


def _unavailable(what: str) -> AdminUnavailable:
    return AdminUnavailable(
        f"Restate's admin API {what}. Runs go on without it; try again.",
        headers={"Retry-After": "1"},
    )
