"""Restate's admin API: what the engine knows of runs and of the worker's registration.

Everything here is an extra: without the admin API, runs go on and are served.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import BaseModel, TypeAdapter

from shared.contract import DIGEST
from shared.logging import get_logger
from shared.names import agent_of, key_of, service_of, thread_service
from shared.protocol import Engine, Run, Time

_TIMEOUT_S = 1.5
_FAILURE_CHARS = 300
_logger = get_logger()


class AdminUnavailable(Exception):
    """The admin API does not answer."""


class _Row(BaseModel):
    status: str
    retry_count: int = 0
    last_failure: str | None = None
    next_retry_at: Time | None = None
    created_at: Time


_ROWS = TypeAdapter[list[_Row]](list[_Row])


class _SubmissionRow(BaseModel):
    id: str
    target_service_key: str
    idempotency_key: str
    created_at: Time


_SUBMISSION_ROWS = TypeAdapter[list[_SubmissionRow]](list[_SubmissionRow])

_RUN_KEY = "run"
"""Where the worker keeps a run's state (`worker.names`)."""


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


class Admin:
    """A client of the admin API."""

    def __init__(self, session: aiohttp.ClientSession, url: str, prefix: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._prefix = prefix

    async def engine_state(self, tenant: str, run_id: str) -> EngineState | None:
        """Return the engine's view of a run, or None where it can't be had."""
        # Both parts are checked names without quotes, so they can't end the text they are in.
        service, key = service_of(agent_of(run_id) or "", self._prefix), key_of(tenant, run_id)
        query = (
            "SELECT status, retry_count, last_failure, next_retry_at, created_at"  # noqa: S608
            f" FROM sys_invocation WHERE target_service_name = '{service}'"
            f" AND target_service_key = '{key}' AND target_handler_name = 'run'"
        )
        try:
            rows = _ROWS.validate_python((await self._query(query))["rows"])
        except AdminUnavailable as error:
            _logger.warning("admin_unavailable", reason=str(error))
            return None
        if not rows:
            return None
        row = rows[0]
        failure = row.last_failure.splitlines()[0][:_FAILURE_CHARS] if row.last_failure else None
        return EngineState(
            paused=row.status == "paused",
            created_at=row.created_at,
            engine=Engine(
                attempts=row.retry_count, last_failure=failure, next_retry_at=row.next_retry_at
            ),
        )

    async def submission(self, tenant: str, run_id: str) -> Submission | None:
        """Return a run that waits to be seen by its thread, as it was submitted first.

        Raises:
            AdminUnavailable: The admin API does not answer.
        """
        thread_prefix = key_of(tenant, "")
        query = (
            "SELECT id, target_service_key, idempotency_key, created_at FROM sys_invocation"  # noqa: S608
            f" WHERE target_service_name = '{thread_service(self._prefix)}'"
            f" AND starts_with(target_service_key, '{thread_prefix}')"
            f" AND target_handler_name = 'submit' AND starts_with(idempotency_key, '{run_id}:')"
            " ORDER BY created_at LIMIT 1"
        )
        rows = _SUBMISSION_ROWS.validate_python((await self._query(query))["rows"])
        if not rows:
            return None
        return Submission(
            invocation_id=rows[0].id,
            thread_id=rows[0].target_service_key.removeprefix(thread_prefix),
            body_hash=rows[0].idempotency_key.partition(":")[2],
            created_at=rows[0].created_at,
        )

    async def run_state(self, tenant: str, run_id: str) -> Run | None:
        """Return the run as the worker has left it; None before it has begun.

        Raises:
            AdminUnavailable: The admin API does not answer.
        """
        service, key = service_of(agent_of(run_id) or "", self._prefix), key_of(tenant, run_id)
        query = (
            f"SELECT value_utf8 FROM state WHERE service_name = '{service}'"  # noqa: S608
            f" AND service_key = '{key}' AND key = '{_RUN_KEY}'"
        )
        rows = (await self._query(query))["rows"]
        return Run.model_validate_json(rows[0]["value_utf8"]) if rows else None

    async def digests(self, agents: list[str]) -> Mapping[str, str | None]:
        """Return the digest of each agent's service that Restate serves; None: not registered.

        Raises:
            AdminUnavailable: The admin API does not answer.
        """
        services = [service_of(agent, self._prefix) for agent in agents]
        found = await asyncio.gather(*(self._service(service) for service in services))
        return {
            agent: None if service is None else str(service.get("metadata", {}).get(DIGEST, ""))
            for agent, service in zip(agents, found, strict=True)
        }

    async def _service(self, name: str) -> dict[str, Any] | None:
        status, body = await self._request("GET", f"/services/{name}")
        return body if status == 200 else None

    async def _query(self, query: str) -> dict[str, Any]:
        status, body = await self._request("POST", "/query", json={"query": query})
        if status != 200:
            raise AdminUnavailable(f"the query was answered {status}: {body}")
        return body

    async def _request(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._session.request(
                    method, self._url + path, headers=headers, **options
                ) as response,
            ):
                return response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AdminUnavailable(repr(error)) from error
