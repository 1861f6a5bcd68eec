"""Registers the worker with Restate: waits for both sides, registers, and verifies.

Safe to repeat. New code under the same journal version replaces the deployment in place, also
under runs in flight: their journals fit.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import aiohttp

from outlast.addresses import Address
from outlast.contract import DIGEST
from outlast.errors import OutlastError
from outlast.logging import get_logger
from outlast.names import (
    budget_service,
    durable_tools_service,
    service_of,
    thread_service,
    thread_watch_service,
    webhook_watch_service,
    webhooks_service,
)
from outlast.registry import Registry
from outlast_worker.engine.records import JOURNAL_VERSION
from outlast_worker.settings import WorkerSettings

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_POLL_S = 0.2
_VERIFY_POLL_S = 2.0
_REASON_CHARS = 300
_VERSION = re.compile(r"/v(\d+)/?$")
_logger = get_logger()


class RegistrationError(OutlastError):
    """The worker could not be registered. The message says what to do."""


class _NotYet(Exception):
    """Something that is waited for is not there."""


async def register(
    settings: WorkerSettings,
    registry: Registry,
    timeout_s: float,
    *,
    allow_removed: bool = False,
) -> None:
    """Make Restate send runs to this worker, with the agents as they are declared here.

    Args:
        settings: Where both sides are.
        registry: What the worker serves.
        timeout_s: How long to wait for both sides.
        allow_removed: Whether to warn, instead of refusing, when an agent is gone that has runs.

    Raises:
        RegistrationError: With what to do.
    """
    url = f"{settings.worker_url.rstrip('/')}/v{JOURNAL_VERSION}"
    expected = {
        service_of(name, settings.service_prefix): digest
        for name, digest in registry.digests().items()
    }
    restate = Address.parse(settings.restate_admin_url)
    connector = aiohttp.UnixConnector(restate.socket) if restate.socket else None
    async with (
        aiohttp.ClientSession(restate.base_url, connector=connector, timeout=_TIMEOUT) as admin,
        aiohttp.ClientSession(timeout=_TIMEOUT) as worker,
    ):
        served = service_names(registry, settings.service_prefix)
        registration = _Registration(
            admin, worker, settings, url, expected, served, allow_removed=allow_removed
        )
        try:
            async with asyncio.timeout(timeout_s):
                await registration.run()
        except TimeoutError:
            raise RegistrationError(registration.problem) from None
    _logger.info("registered", url=url, agents=registry.names(), digest=registry.digest())


def service_names(registry: Registry, prefix: str) -> list[str]:
    """Return the names of all services of a worker with these agents."""
    with_durable_tools = [
        agent.name for agent in registry if any(tool.durable for tool in agent.functions)
    ]
    return [
        *(service_of(name, prefix) for name in registry.names()),
        *(durable_tools_service(name, prefix) for name in with_durable_tools),
        budget_service(prefix),
        thread_service(prefix),
        thread_watch_service(prefix),
        webhooks_service(prefix),
        webhook_watch_service(prefix),
    ]


class _Registration:
    def __init__(
        self,
        admin: aiohttp.ClientSession,
        worker: aiohttp.ClientSession,
        settings: WorkerSettings,
        url: str,
        expected: Mapping[str, str],
        served: Iterable[str],
        *,
        allow_removed: bool,
    ) -> None:
        self._admin = admin
        self._worker = worker
        self._settings = settings
        self._url = url
        self._expected = expected
        self._allow_removed = allow_removed
        self._services = frozenset(served)
        self.problem = ""

    async def run(self) -> None:
        """Wait, check, register, verify."""
        await self._wait(
            self._check_admin,
            f"Restate's admin API does not answer at {self._settings.restate_admin_url}. "
            "Start Restate, or set RESTATE_ADMIN_URL.",
        )
        await self._wait(
            self._check_worker,
            f"The worker does not answer at {self._settings.worker_url}/healthz. Start it, or "
            "set WORKER_URL to where it can be reached from here and from Restate.",
        )
        await self._retire_newer()
        await self._check_removed()
        await self._wait(
            self._post,
            f"Restate can't reach the worker at {self._url}. Set WORKER_URL to where Restate can "
            "(http://host.docker.internal:9081 when only Restate runs in Docker).",
        )
        await self._wait(
            self._verify,
            f"The worker at {self._url} serves other agents than this command knows. Restart the "
            "worker, so that it serves what is registered here, and run this again.",
            poll_s=_VERIFY_POLL_S,  # each time registers anew, which counts up revisions
        )

    async def _wait(
        self, check: Callable[[], Awaitable[None]], waiting_for: str, poll_s: float = _POLL_S
    ) -> None:
        self.problem = waiting_for
        while True:
            try:
                return await check()
            except (_NotYet, aiohttp.ClientConnectionError, TimeoutError) as reason:
                self.problem = f"{waiting_for}\nThe last try: {str(reason)[:_REASON_CHARS]}"
                _logger.debug("registration_waits", reason=str(reason))
            await asyncio.sleep(poll_s)

    async def _check_admin(self) -> None:
        async with self._admin.get("/health") as answer:
            if answer.status != 200:
                raise _NotYet(f"admin health is {answer.status}")

    async def _check_worker(self) -> None:
        async with self._worker.get(f"{self._settings.worker_url.rstrip('/')}/healthz") as answer:
            if answer.status != 200:
                raise _NotYet(f"worker health is {answer.status}")

    async def _post(self) -> None:
        body = {"uri": self._url, "force": True, "breaking": True}
        async with self._admin.post("/deployments", json=body) as answer:
            if answer.status in (200, 201):
                return
            text = await answer.text()
        if answer.status >= 500 or "META0003" in text:
            raise _NotYet(text)
        raise RegistrationError(
            f"Restate refused the worker at {self._url} ({answer.status}): {text}"
        )

    async def _verify(self) -> None:
        for service, digest in self._expected.items():
            served = await self._service(service)
            found = (served or {}).get("metadata", {}).get(DIGEST)
            if found != digest:
                # The worker may have been replaced since: ask Restate to look again.
                await self._post()
                raise _NotYet(f"{service} has the digest {found}, not {digest}")

    async def _retire_newer(self) -> None:
        """Go back to this journal version, unless runs in flight need the newer one.

        Restate sends new runs to the deployment that was registered last, so a newer one has
        to go before an older one counts again.
        """
        for deployment_id, uri in await self._newer_deployments():
            running = await self._runs_on(deployment_id)
            if running:
                raise RegistrationError(
                    f"{running} runs in flight were begun by the newer worker at {uri}, whose "
                    f"journals this one (v{JOURNAL_VERSION}) can't replay. Keep the newer worker "
                    "until they have ended, or cancel them; then run this again."
                )
            async with self._admin.delete(
                f"/deployments/{deployment_id}", params={"force": "true"}
            ) as answer:
                answer.raise_for_status()
            _logger.info("newer_deployment_removed", uri=uri)

    async def _check_removed(self) -> None:
        """Refuse to take an agent away from runs that have not ended: nobody could end them."""
        for deployment in await self._deployments():
            if (deployment.get("uri") or "").rstrip("/") != self._url:
                continue
            removed = {service["name"] for service in deployment["services"]} - self._services
            for service in sorted(removed):
                agent, _, part = service.partition(".")
                if part and agent in removed:
                    continue  # its runs are waiting for these calls, and are counted themselves
                if running := await self._count(f"target_service_name = '{service}'"):
                    agent = agent.removeprefix(self._settings.service_prefix)
                    self._take_away(agent, running, tools_alone=bool(part))

    def _take_away(self, agent: str, running: int, *, tools_alone: bool) -> None:
        if self._allow_removed and tools_alone:
            _logger.warning("durable_tools_removed_with_calls", agent=agent, calls=running)
        elif self._allow_removed:
            _logger.warning(
                "agent_removed_with_runs",
                agent=agent,
                runs=running,
                effect="they can't go on, nor be cancelled, and their threads wait for them",
                fix="bring the agent back until they have ended, or cancel them then",
            )
        elif tools_alone:
            raise RegistrationError(
                f"{running} calls of durable tools of {agent} have not ended, and this worker's "
                f"{agent} has no such tools any more: they could not go on. Keep the tools until "
                "they have ended, or cancel their runs; then run this again. Or leave them as they "
                "are: --allow-removed."
            )
        else:
            raise RegistrationError(
                f"{running} runs of {agent} have not ended, and this worker does not "
                "have it any more: they could not go on, nor be cancelled, and their "
                "threads would wait for them. Keep the agent until they have ended, or "
                "cancel them; then run this again. Or leave them as they are: --allow-removed."
            )

    async def _newer_deployments(self) -> list[tuple[str, str]]:
        return [
            (deployment["id"], deployment["uri"])
            for deployment in await self._deployments()
            if (version := _VERSION.search(deployment.get("uri") or ""))
            and int(version[1]) > JOURNAL_VERSION
            and self._services & {service["name"] for service in deployment["services"]}
        ]

    async def _deployments(self) -> list[dict[str, Any]]:
        async with self._admin.get("/deployments") as answer:
            answer.raise_for_status()
            return (await answer.json())["deployments"]

    async def _runs_on(self, deployment_id: str) -> int:
        return await self._count(f"pinned_deployment_id = '{deployment_id}'")

    async def _count(self, condition: str) -> int:
        """Count invocations that have not ended."""
        query = (
            "SELECT count(*) AS n FROM sys_invocation"  # noqa: S608  # names are Restate's own
            f" WHERE {condition} AND status != 'completed'"
        )
        headers = {"accept": "application/json"}
        async with self._admin.post("/query", json={"query": query}, headers=headers) as answer:
            answer.raise_for_status()
            return int((await answer.json())["rows"][0]["n"])

    async def _service(self, name: str) -> dict[str, Any] | None:
        async with self._admin.get(f"/services/{name}") as answer:
            return await answer.json() if answer.status == 200 else None
