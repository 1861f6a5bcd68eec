"""What of a stack runs, where, and how it is: for `outlast status`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Group, RenderableType
from rich.table import Table

from outlast_local.background import started_stack
from outlast_local.process_table import ProcessTable
from outlast_local.settings import LocalSettings
from outlast_local.stack import Stack, is_up

_TIMEOUT_S = 3
_HIDDEN_SERVICES = ("Budget", "Thread", "ThreadWatch", "WebhookWatch", "Webhooks", ".tools")


@dataclass(frozen=True)
class Part:
    """One part; without a pid it does not run."""

    name: str
    pid: int | None
    address: str
    health: str


@dataclass(frozen=True)
class Report:
    """All parts, the workers that Restate knows with their agents, and what is wrong besides."""

    directory: str
    parts: tuple[Part, ...]
    workers: Mapping[str, tuple[str, ...]]
    faults: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether runs can be started and go on."""
        return not self.faults and all(part.health == "ok" for part in self.parts)


def look(settings: LocalSettings) -> Report:
    """Look at the stack of the current folder."""
    stack = started_stack(settings)
    alive = ProcessTable(stack.directory).alive()
    pids = {name: process.pid for name, process in alive.items()}
    if "all_in_one" in pids:
        pids = {**pids, "app": pids["all_in_one"], "worker": pids["all_in_one"]}
    parts = tuple(_parts(stack, pids))
    with httpx.Client(trust_env=False, timeout=_TIMEOUT_S) as http:
        workers = _workers(http, stack) if "restate" in pids else {}
        faults = tuple(_faults(http, stack)) if "app" in pids else ()
    return Report(str(stack.directory), parts, workers, faults)


def as_text(report: Report) -> RenderableType:
    """Write it for a terminal."""
    parts = Table("PART", "PID", "ADDRESS", "HEALTH", box=None, pad_edge=False)
    for part in report.parts:
        parts.add_row(part.name, str(part.pid or "-"), part.address, part.health)
    lines = [
        f"registered: {uri} with {', '.join(sorted(agents)) or 'no agents'}"
        for uri, agents in report.workers.items()
    ]
    return Group(parts, "", *lines, *report.faults, f"data and logs: {report.directory}")


def _parts(stack: Stack, pids: Mapping[str, int]) -> Iterator[Part]:
    guarded = f"{stack.admin_url} (UI), {stack.ingress_url}"
    checks: dict[str, tuple[str, Callable[[], bool]]] = {
        "app": (stack.app_url, lambda: is_up(f"{stack.app_url}/healthz")),
        "worker": (stack.worker_url, lambda: is_up(f"{stack.worker_url}/healthz")),
        "restate": (str(stack.sockets.folder), stack.sockets.are_up),
        "guard": (guarded, lambda: is_up(f"{stack.admin_url}/health")),
    }
    if stack.demo_model:
        checks["demo_model"] = (
            stack.demo_model_url,
            lambda: is_up(f"{stack.demo_model_url}/healthz"),
        )
    for name, (address, answers) in checks.items():
        pid = pids.get(name)
        health = "not running" if pid is None else "ok" if answers() else "does not answer"
        yield Part(name, pid, address, health)


def _workers(http: httpx.Client, stack: Stack) -> dict[str, tuple[str, ...]]:
    """Return the agents by the address of their worker, which ends in its journal version."""
    try:
        answer = http.get(f"{stack.admin_url}/deployments")
        deployments: list[dict[str, Any]] = answer.raise_for_status().json()["deployments"]
    except httpx.HTTPError:
        return {}
    return {
        deployment.get("uri") or deployment["id"]: tuple(_agents(deployment["services"]))
        for deployment in deployments
    }


def _agents(services: Iterable[Mapping[str, Any]]) -> list[str]:
    names: list[str] = sorted(service["name"] for service in services)
    return [name for name in names if not name.endswith(_HIDDEN_SERVICES)]


def _faults(http: httpx.Client, stack: Stack) -> Iterator[str]:
    try:
        answer = http.get(f"{stack.app_url}/readyz").json()
    except (httpx.HTTPError, ValueError):
        return  # its health says as much
    if answer.get("status") != "ready":
        yield f"not ready: {answer.get('detail')}"
    if drift := answer.get("drift"):
        yield (f"app and worker differ in {', '.join(drift)}: restart the one with the older code")
