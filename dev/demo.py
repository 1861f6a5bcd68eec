"""The demo: an agent's run that outlives two SIGKILLs of its worker, watched as it happens.

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

REQUEST = "My desk lamp arrived broken. Please refund order A-1001."
ROOT = Path(__file__).resolve().parents[1]
_DEADLINE_S = 120
_BANK_DELAY_S = "3"
_MODEL_DELAY_S = "1.5"


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
    """Follows the run's events in a thread, and lets others wait for one."""

    def __init__(self, client: httpx.Client, run_id: str, timeline: Timeline) -> None:
        self._client = client
        self._run_id = run_id
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

    def _follow(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def _read(self) -> None:
        with self._client.stream("GET", f"/runs/{self._run_id}/events", timeout=None) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._take(json.loads(line.removeprefix("data: ")))

    def _take(self, event: dict[str, Any]) -> None:
        if "seq" not in event:  # a preview of the text
            return
        self._timeline.say(f"event {event['seq']:>2}  {_describe(event)}")
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
    print(f'\nPOST /agents/support/runs  {{"input": "{REQUEST}"}}\n', flush=True)
    timeline = Timeline()
    started = client.post(
        "/agents/support/runs", json={"input": REQUEST}, headers={"Prefer": "respond-async"}
    )
    started.raise_for_status()
    run_id: str = started.json()["run_id"]
    watcher = Watcher(client, run_id, timeline)

    watcher.wait_for(lambda event: event["type"] == "turn.started")
    _wait_for_step(stack, "model 1")
    _crash(stack, timeline, "in the middle of the first model call")

    watcher.wait_for(lambda event: _starts_refund(event) or _ends(event))
    if not _ends(watcher.events[-1]):
        _wait_for_execution(stack, watcher)
        _crash(stack, timeline, "in the middle of the refund: paid, but not yet recorded")

    watcher.wait_for(_ends)
    result = client.get(f"/runs/{run_id}/result").raise_for_status().json()
    _report(stack, result)
    return 0 if result["status"] == "completed" else 1


def _crash(stack: Stack, timeline: Timeline, when: str) -> None:
    timeline.say(f"——————— SIGKILL of the worker, {when}")
    stack.worker.kill()
    stack.start_worker()
    timeline.say("——————— the worker is back")


def _wait_for_step(stack: Stack, step: str) -> None:
    """Wait until the worker has begun a step: its log says so."""
    _wait(lambda: any(name == step for name in _executed_steps(stack)), f"the step {step!r}")


def _wait_for_execution(stack: Stack, watcher: Watcher) -> None:
    _wait(lambda: bool(_rows(stack, "executions")) or _ends(watcher.events[-1]), "the refund")


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_DEADLINE_S} s for {what}")
        time.sleep(0.02)


def _executed_steps(stack: Stack) -> Iterator[str]:
    for line in stack.worker.log_lines():
        if '"step_executed"' in line:
            yield json.loads(line)["step"]


def _rows(stack: Stack, table: str) -> list[tuple[Any, ...]]:
    path = stack.settings["SUPPORT_DB"]
    if not Path(path).exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # a constant


def _report(stack: Stack, result: dict[str, Any]) -> None:
    print("\nHow often each step was executed:")
    for step, count in Counter(_executed_steps(stack)).items():
        cut = "   killed once, and repeated" if count > 1 else ""
        print(f"  {count} ×  {step}{cut}")
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
        case _:
            return kind


def _starts_refund(event: dict[str, Any]) -> bool:
    return event["type"] == "tool_call.started" and event["name"] == "refund"


def _ends(event: dict[str, Any]) -> bool:
    return "run" in event


def _introduction(model: str | None) -> str:
    if model:
        return f"Using the model {model}.\n"
    return (
        "There is no provider key, so the demo model answers: a stand-in, no real model.\n"
        "With a real one: OPENAI_API_KEY=… MODEL=openai/gpt-5.4-mini make demo\n"
    )


if __name__ == "__main__":
    sys.exit(main())
