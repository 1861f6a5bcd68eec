"""A client of the HTTP interface, and a stack made for tests."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx

from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from outlast_local.process import Process
from outlast_local.stack import Ports, Stack

TESTS = Path(__file__).resolve().parents[1]
DEADLINE_S = 40
_POLL_S = 0.02


class Api:
    """Calls the app, and waits on states with a deadline."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=60)
        self._pool = ThreadPoolExecutor(64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.http.close()

    def post(
        self, agent: str, text: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        return self.http.post(
            f"/agents/{agent}/runs", json={"input": text, **body}, headers=dict(headers or {})
        )

    def run(self, agent: str, text: str, **body: Any) -> dict[str, Any]:
        answer = self.post(agent, text, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(
        self, agent: str, text: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> str:
        answer = self.post(agent, text, {"Prefer": "respond-async", **(headers or {})}, **body)
        assert answer.status_code == 202, answer.text
        return answer.json()["run_id"]

    def run_in_background(self, agent: str, text: str, **body: Any) -> Future[httpx.Response]:
        return self._pool.submit(self.post, agent, text, **body)

    def get(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def result(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/runs/{run_id}/result", headers={"Prefer": f"wait={DEADLINE_S}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def cancel(self, run_id: str) -> httpx.Response:
        return self.http.post(f"/runs/{run_id}/cancel")

    def events(self, run_id: str, after: int = 0) -> list[dict[str, Any]]:
        """Read the stream to its end; return what is committed."""
        answer = self.http.get(f"/runs/{run_id}/events", params={"after": after})
        assert answer.status_code == 200, answer.text
        return [event for event in parse_events(answer.text.splitlines()) if "seq" in event]

    def decide(self, run_id: str, call_id: str, action: str, **body: Any) -> httpx.Response:
        path = f"/runs/{run_id}/approvals/{call_id}"
        return self.http.post(path, json={"action": action, **body})

    def steer(
        self, run_id: str, text: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self.http.post(
            f"/runs/{run_id}/messages", json={"input": text}, headers=dict(headers or {})
        )

    def wait_for_approval(self, run_id: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many calls wait for a person, and return the run."""

        def asked() -> dict[str, Any] | None:
            run = self.get(run_id)
            waiting = [a for a in run["approvals"] if a["resolution"] is None]
            return run if len(waiting) == count else None

        return wait_until(asked, f"{run_id} to ask for {count} approvals")

    def wait_for_event(self, run_id: str, **wanted: Any) -> dict[str, Any]:
        """Follow the stream until an event with these fields comes."""
        seen: list[dict[str, Any]] = []
        with self.http.stream("GET", f"/runs/{run_id}/events", timeout=DEADLINE_S) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                    if wanted.items() <= seen[-1].items():
                        return seen[-1]
        raise AssertionError(f"the stream ended without {wanted}: {stream.status_code}, {seen}")

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        """Read a whole conversation, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params = {"limit": "100", **({"cursor": cursor} if cursor else {})}
            page = self.http.get(f"/threads/{thread_id}/messages", params=params)
            assert page.status_code == 200, page.text
            found += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found

    def wait_for_status(self, run_id: str, *statuses: str) -> dict[str, Any]:
        return wait_until(
            lambda: run if (run := self.get(run_id))["status"] in statuses else None,
            f"{run_id} to be {' or '.join(statuses)}",
        )


class TestStack(Stack):
    """A stack whose agents and model are the tests'."""

    __test__ = False
    long_run: str = ""

    def __init__(
        self, directory: Path, model: ScriptedModel, settings: Mapping[str, str] | None = None
    ) -> None:
        providers = {
            "openai": {"base_url": model.url, "keys": [{"name": "only", "key": "sk-scripted"}]}
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

    def invocation_id(self, run_id: str) -> str:
        """Return the id of a run's invocation."""
        rows = self.query(
            "SELECT id FROM sys_invocation WHERE target_handler_name = 'run'"
            f" AND target_service_key = 'default/{run_id}'"
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


def wait_until(ready: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value, or fail after a while."""
    deadline = time.monotonic() + deadline_s
    while not (value := ready()):
        assert time.monotonic() < deadline, f"waited {deadline_s} s for {what}"
        time.sleep(_POLL_S)
    return value


def parse_events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read server-sent events; a committed one has its seq as its id, a live one has none."""
    event: dict[str, Any] = {}
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "data":
            event |= json.loads(value)
        elif field == "id":
            event["id"] = value
        elif not line and event:
            seq = event.get("seq")
            assert event.pop("id", None) == (None if seq is None else str(seq))
            yield event
            event = {}


def assert_events_are_whole(events: list[dict[str, Any]], run: dict[str, Any]) -> None:
    """Committed events come once, in order, without a gap, and end as the run did."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == f"run.{run['status']}"
    texts = [m["content"] for m in run["messages"] or [] if m["role"] == "assistant"]
    completed = [e["message"]["content"] for e in events if e["type"] == "message.completed"]
    assert completed == texts


def assert_valid_conversation(messages: list[dict[str, Any]]) -> None:
    """Each tool call has exactly one result, right after the message that asked for it."""
    open_calls: list[tuple[str, str]] = []
    for message in messages:
        if message["role"] == "tool":
            assert (message["run_id"], message["call_id"]) in open_calls, message
            open_calls.remove((message["run_id"], message["call_id"]))
            continue
        assert not open_calls, f"no result for {open_calls}"
        open_calls = [(message["run_id"], c["call_id"]) for c in message["tool_calls"] or []]
    assert not open_calls, f"no result for {open_calls}"
    ids = [message["id"] for message in messages]
    assert len(ids) == len(set(ids))
