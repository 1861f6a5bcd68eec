"""The demo: a team's run that outlives two SIGKILLs of its worker, watched as it happens.

The desk asks the warehouse, whose tools are an MCP server's, and hands the case over to the
support, whose refund a person has to approve.

make demo
"""

import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from outlast.settings_errors import InvalidSettings
from outlast_local.errors import LocalError
from outlast_local.provider import chosen_model
from outlast_local.signals import INTERRUPTED, interruptible
from outlast_local.stack import Ports, Stack

REQUEST = (
    "My chair arrived broken: please refund order A-1002. And is the Desk lamp, brass in stock?"
)
ROOT = Path(__file__).resolve().parents[1]
_DEADLINE_S = 120
_BANK_DELAY_S = "2"
_MODEL_DELAY_S = "0.6"


class Timeline:
    """Prints what happens, with the seconds since the run was started."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print one line."""
        with self._lock:
            print(f"  {time.monotonic() - self._began:6.2f} s  {text}", flush=True)


class Watcher:
    """Follows a run and all below it in a thread, and lets others wait for an event."""

    def __init__(self, client: httpx.Client, run_id: str, timeline: Timeline) -> None:
        self._client = client
        self.run_id = run_id
        self._timeline = timeline
        self._changed = threading.Condition()
        self._broken: Exception | None = None
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first event that fits, as soon as it is there."""
        deadline = time.monotonic() + _DEADLINE_S
        with self._changed:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                if self._broken:
                    raise RuntimeError(f"The run's events broke off: {self._broken!r}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"waited {_DEADLINE_S} s for an event of the run")

    def is_end(self, event: dict[str, Any]) -> bool:
        """Tell whether the run has ended with this event."""
        return event["run_id"] == self.run_id and "run" in event

    def _follow(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def _read(self) -> None:
        path = f"/runs/{self.run_id}/events?children=true"
        with self._client.stream("GET", path, timeout=None) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._take(json.loads(line.removeprefix("data: ")))

    def _take(self, event: dict[str, Any]) -> None:
        if "seq" not in event:  # a preview of the text
            return
        agent = event["run_id"].partition(".")[0]
        self._timeline.say(f"{agent:>9} {event['seq']:>2}  {_describe(event)}")
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


def main() -> int:
    """Run the demo."""
    model = chosen_model()
    print(_introduction(model))
    try:
        with tempfile.TemporaryDirectory(prefix="outlast-demo-") as folder:
            return _run(Path(folder), model)
    except (InvalidSettings, LocalError, TimeoutError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(folder: Path, model: str | None) -> int:
    settings = {
        "AGENTS": "example_agents",
        "SUPPORT_DB": str(folder / "support.db"),
        "APP_KEYS": "{}",
        "SUPPORT_BANK_DELAY_S": _BANK_DELAY_S,
        "DEMO_MODEL_DELAY_S": _MODEL_DELAY_S,
        "LOG_LEVEL": "DEBUG",
        # A model that can't be reached is to be said within the demo's time.
        "WORKER_MODEL_RETRY_FOR_S": "20",
    }
    stack = Stack(
        folder,
        Ports.free(),
        settings,
        demo_model=model is None,
        # A real model needs what the caller's environment and .env say of it.
        project=ROOT if model else None,
        node_modules=ROOT,
    )
    print("Starting Restate, the worker and the app …", flush=True)
    with (
        interruptible(stack.stop),
        httpx.Client(base_url=stack.app_url, trust_env=False, timeout=30) as client,
        stack,
    ):
        return _show(stack, client)


def _show(stack: Stack, client: httpx.Client) -> int:
    print(f'\nPOST /agents/desk/runs  {{"input": "{REQUEST}"}}\n', flush=True)
    timeline = Timeline()
    started = client.post(
        "/agents/desk/runs", json={"input": REQUEST}, headers={"Prefer": "respond-async"}
    )
    started.raise_for_status()
    team = Watcher(client, started.json()["run_id"], timeline)

    # A real model may choose other ways: what it never comes to is left out.
    event = team.wait_for(lambda event: _is(event, "child.started") or team.is_end(event))
    if not team.is_end(event):
        _wait_for_step(stack, "model 1", event["child_run_id"])
        _crash(stack, timeline, "in the middle of the warehouse's first model call")

    event = team.wait_for(lambda event: _asks_for_refund(event) or team.is_end(event))
    if not team.is_end(event):
        _approve(client, event, timeline)
        _wait(lambda: _rows(stack, "executions") or team.is_end(team.events[-1]), "the refund")
        _crash(stack, timeline, "in the middle of the refund: paid, but not yet recorded")

    team.wait_for(team.is_end)
    result = client.get(f"/runs/{team.run_id}/result").raise_for_status().json()
    _report(stack, result)
    return 0 if result["status"] == "completed" else 1


def _approve(client: httpx.Client, asked: dict[str, Any], timeline: Timeline) -> None:
    path = f"/runs/{asked['run_id']}/approvals/{asked['approval_id'] or asked['call_id']}"
    timeline.say('——————— a person decides: POST /runs/…/approvals/…  {"action": "approve"}')
    client.post(path, json={"action": "approve", "by": "the demo"}).raise_for_status()


def _crash(stack: Stack, timeline: Timeline, when: str) -> None:
    timeline.say(f"——————— SIGKILL of the worker, {when}")
    stack.worker.kill()
    stack.start_worker()
    timeline.say("——————— the worker is back")


def _wait_for_step(stack: Stack, step: str, run_id: str) -> None:
    """Wait until the worker has begun a run's step: its log says so."""
    _wait(lambda: (run_id, step) in _executed_steps(stack), f"the step {step!r}")


def _wait(ready: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_DEADLINE_S} s for {what}")
        time.sleep(0.02)


def _executed_steps(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield the runs and the names of all steps that were begun."""
    for line in stack.worker.log_lines():
        if '"step_executed"' in line:
            logged = json.loads(line)
            yield logged["run_id"], logged["step"]


def _rows(stack: Stack, table: str) -> list[tuple[Any, ...]]:
    path = stack.settings["SUPPORT_DB"]
    if not Path(path).exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # a constant


def _report(stack: Stack, result: dict[str, Any]) -> None:
    print("\nHow often each step was executed:")
    for (run_id, step), count in Counter(_executed_steps(stack)).items():
        cut = "   killed once, and repeated" if count > 1 else ""
        print(f"  {count} ×  {run_id.partition('.')[0]:<9}  {step}{cut}")
    print("\nWhat the shop's database holds:")
    for key, at in _rows(stack, "executions"):
        print(f"  executed  {at}  key {key}")
    for key, refund_id, order_id, cents, _reason in _rows(stack, "refunds"):
        print(f"  paid      {refund_id}: {order_id}, {cents / 100:.2f} €  key {key}")
    usage = result["usage"]
    error = result["error"]
    said = f"{error['type']}: {error['message']}" if error else result["output"]
    print(f"\nThe run {result['run_id']} is {result['status']}:\n\n  {said}\n")
    print(
        f"  {usage['model_calls']} model calls and {usage['tool_calls']} tool calls were recorded."
    )
    if not _rows(stack, "executions"):
        print("  The model never asked for the refund, so the second SIGKILL was left out.")


def _describe(event: dict[str, Any]) -> str:
    kind = event["type"]
    match kind:
        case "turn.started":
            return f"{kind}  turn {event['turn']}"
        case "tool_call.started":
            arguments = json.dumps(event["arguments"], ensure_ascii=False)
            return f"{kind}  {event['name']} {arguments}"
        case "tool_call.completed":
            return f"{kind}  {event['name']}  {'error' if event['is_error'] else 'ok'}"
        case "child.started":
            return f"{kind}  {event['agent']} is {event['child_run_id']}"
        case "handoff":
            return f"{kind}  {event['from']} → {event['to']}"
        case "approval.requested":
            return f"{kind}  {event['name']} {json.dumps(event['arguments'], ensure_ascii=False)}"
        case _:
            return kind


def _is(event: dict[str, Any], kind: str) -> bool:
    return event["type"] == kind


def _asks_for_refund(event: dict[str, Any]) -> bool:
    return _is(event, "approval.requested") and event["name"] == "refund"


def _introduction(model: str | None) -> str:
    if model:
        return f"Using the model {model}.\n"
    return (
        "There is no provider key, so the demo model answers: a stand-in, no real model.\n"
        "With a real one: OPENAI_API_KEY=… MODEL=openai/gpt-5.4-mini make demo\n"
    )


if __name__ == "__main__":
    sys.exit(main())
