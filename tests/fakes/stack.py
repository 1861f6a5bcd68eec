"""A stack made for tests: its agents and its model are theirs."""

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.waiting import wait_until
from outlast_local.ports import free_ports
from outlast_local.process import Process
from outlast_local.stack import Ports, Stack, is_up

TESTS = Path(__file__).resolve().parents[1]


class TestStack(Stack):
    """A stack whose agents and model are the tests'."""

    __test__ = False
    long_run: str = ""

    def __init__(
        self, directory: Path, model: ScriptedModel, settings: Mapping[str, str] | None = None
    ) -> None:
        providers = {
            "openai": {"base_url": model.url, "keys": [{"name": "only", "key": "sk-scripted"}]},
            "hosted_vllm": {"base_url": model.url, "keys": [{"name": "only", "key": "sk-spare"}]},
            "anthropic": {"base_url": model.url, "keys": [{"name": "only", "key": "sk-ant"}]},
        }
        super().__init__(
            directory,
            Ports.free(),
            {
                "PYTHONPATH": str(TESTS),
                "AGENTS": "fakes.agents",
                "WORKER_PROVIDERS": json.dumps(providers),
                "EFFECTS_FILE": str(directory / "effects.jsonl"),
                "GATES_DIR": str(directory / "gates"),
                "LOG_LEVEL": "DEBUG",
                "WORKER_SUSPEND_AFTER_S": "0.5",
                # A test that is refused would hold back those after it, which share its key.
                "WORKER_HEED_RATE_LIMITS": "false",
                "WORKER_SHUTDOWN_TIMEOUT_S": "2",
                **(settings or {}),
            },
            node_modules=ROOT,
        )
        (directory / "gates").mkdir(parents=True, exist_ok=True)

    def process(self, module: str, settings: Mapping[str, str]) -> Process:
        """Return another process of this stack, with other settings, not started."""
        return Process(
            f"{module}-2",
            [sys.executable, "-m", module],
            {**self.environment, **settings},
            self.directory / f"{module}-2.log",
            self.directory,
        )

    @contextmanager
    def another_app(self, settings: Mapping[str, str]) -> Generator[str]:
        """Start one more app on the same Restate, and return its address."""
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        app = self.process("outlast_app", {"APP_PORT": str(port), **settings})
        app.start()
        try:
            app.wait_until(lambda: is_up(f"{url}/healthz"), 20)
            yield url
        finally:
            app.terminate()

    @property
    def always_replays(self) -> bool:
        """Whether Restate closes a run's input at once, so that it hears of siblings late."""
        return self.settings.get("WORKER_INACTIVITY_TIMEOUT_S") == "0"

    def open_gate(self, name: str) -> None:
        """Let the tools go on that hold at this gate."""
        (self.directory / "gates" / name).touch()

    def effects(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the traces that tools left, in order."""
        path = self.directory / "effects.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [trace for trace in found if wanted.items() <= trace.items()]

    def wait_for_effects(self, count: int, **wanted: Any) -> list[dict[str, Any]]:
        return wait_until(
            lambda: found if len(found := self.effects(**wanted)) >= count else None,
            f"{count} traces of {wanted}",
        )

    def executions(self, run_id: str) -> list[str]:
        """Return the names of all steps that were executed for a run, over all workers' lives."""
        lines = self.worker.log_lines()
        records = [json.loads(line) for line in lines if '"step_executed"' in line]
        return [record["step"] for record in records if record["run_id"] == run_id]

    def logged(self, event: str, process: str = "worker") -> list[dict[str, Any]]:
        """Return a process's log records of one event."""
        lines = (self.directory / f"{process}.log").read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return [record for record in records if record["event"] == event]

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask Restate's introspection."""
        answer = httpx.post(
            f"{self.admin_url}/query",
            json={"query": sql},
            headers={"accept": "application/json"},
            trust_env=False,
        )
        answer.raise_for_status()
        return answer.json()["rows"]

    def invocation_id(self, run_id: str, tenant: str = "default") -> str:
        """Return the id of a run's invocation."""
        rows = self.query(
            "SELECT id FROM sys_invocation WHERE target_handler_name = 'run'"
            f" AND target_service_key = '{tenant}/{run_id}'"
        )
        return rows[0]["id"]

    def administer(self, run_id: str, action: str) -> None:
        """Kill, pause, resume or purge a run's invocation, as an operator would."""
        self._administer(self.invocation_id(run_id), action)

    def kill_invocation(self, invocation_id: str) -> None:
        """Kill any invocation, as an operator would."""
        self._administer(invocation_id, "kill")

    def _administer(self, invocation_id: str, action: str) -> None:
        path = f"{self.admin_url}/invocations/{invocation_id}/{action}"
        httpx.patch(path, trust_env=False).raise_for_status()
