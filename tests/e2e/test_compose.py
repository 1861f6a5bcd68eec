"""The containers on a real engine: a fresh clone starts, answers, and outlives kills.

One stack for all tests, from a copy of the tracked files, under a project name and on ports of
its own. Without an engine everything here is skipped.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from outlast_local.ports import free_ports
from outlast_local.provider import DEMO_MODEL, demo_settings
from outlast_local.restate_binary import ROOT
from outlast_worker.engine.records import JOURNAL_VERSION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

REFUND = "My desk lamp arrived broken. Please refund order A-1001."
_COMMAND_TIMEOUT_S = 600
_RUN_TIMEOUT_S = 60
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Compose:
    """The stack of a folder, driven by `docker compose` alone."""

    def __init__(self, folder: Path) -> None:
        app, ingress, admin = free_ports(3)
        self.folder = folder
        self._base = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERITED or name.startswith(("DOCKER_", "BUILDKIT_", "BUILDX_"))
        } | {
            "COMPOSE_PROJECT_NAME": f"durable-agents-e2e-{os.getpid()}",
            "COMPOSE_PROFILES": "demo",
            "COMPOSE_PROGRESS": "plain",
            "APP_PORT": str(app),
            "RESTATE_INGRESS_PORT": str(ingress),
            "RESTATE_ADMIN_PORT": str(admin),
            "DEMO_MODEL_DELAY_S": "0.5",
        }
        self.settings: Mapping[str, str] = demo_settings("http://demo-model:8089/v1")
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{app}", timeout=_RUN_TIMEOUT_S, trust_env=False
        )

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` and return what it says."""
        return self.docker("compose", *arguments, check=check)

    def docker(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            cwd=self.folder,
            env={**self._base, **self.settings},
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done.stdout

    def up(self) -> None:
        try:
            self("up", "--wait")
        except AssertionError:
            print(self("logs", "--tail", "50", check=False))  # noqa: T201  # pytest shows it
            raise

    def container(self, service: str) -> str:
        return self("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        return json.loads(self.docker("inspect", self.container(service)))[0]

    def python(self, service: str, code: str, *, check: bool = True) -> str:
        """Run Python in a service's container."""
        return self("exec", "--no-TTY", service, "python", "-c", code, check=check).strip()

    def start_run(self, text: str, **body: Any) -> str:
        """Start a run and return its id at once."""
        answer = self.client.post(
            "/agents/support/runs",
            json={"input": text, **body},
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["run_id"]

    def result(self, run_id: str) -> dict[str, Any]:
        """Wait for a run's end."""
        return self.client.get(f"/runs/{run_id}/result").raise_for_status().json()

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Read a run's committed events to the last."""
        answer = self.client.get(f"/runs/{run_id}/events").raise_for_status()
        return [event for event in _parse(answer.text) if "seq" in event]

    def refunds(self, run_id: str) -> tuple[int, int]:
        """Count a run's refunds: how often executed, how often paid."""
        counts = self.python(
            "worker",
            "import os, sqlite3; database = sqlite3.connect(os.environ['SUPPORT_DB']);"
            "print(*(database.execute(f'SELECT count(*) FROM {table} WHERE idempotency_key"
            f" LIKE \"%{run_id}%\"').fetchone()[0] for table in ('executions', 'refunds')))",
        )
        executed, paid = counts.split()
        return int(executed), int(paid)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    _skip_without_engine()
    compose = Compose(tmp_path_factory.mktemp("clone"))
    _copy_tracked_files(compose.folder)
    # A slow bank: time to kill the worker between a refund and its record.
    (compose.folder / ".env").write_text("SUPPORT_BANK_DELAY_S=3\n")
    try:
        compose("build")
        began = time.monotonic()
        compose.up()
        print(f"up after {time.monotonic() - began:.1f} s")  # noqa: T201  # pytest -s shows it
        yield compose
    finally:
        compose.client.close()
        compose(
            "down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "5", check=False
        )


def test_a_fresh_clone_is_ready_and_answers(stack: Compose):
    ready = stack.client.get("/readyz")
    assert (ready.status_code, ready.json()["drift"]) == (200, [])

    answer = stack.client.post("/agents/assistant/runs", json={"input": "Hello there"})
    run = answer.json()
    assert (answer.status_code, run["status"]) == (200, "completed"), run
    assert "Hello there" in run["output"]


def test_a_run_is_streamed(stack: Compose):
    """Live events reach the app, which the worker lets in by the secret that compose has made."""
    answer = stack.client.post(
        "/agents/assistant/runs",
        json={"input": "Hello there"},
        headers={"Accept": "text/event-stream"},
    )
    events = _parse(answer.text)
    shown = ""
    for event in events:
        if event["type"] == "message.snapshot":  # for a client that comes late
            shown = event["text"]
        elif event["type"] == "message.delta":
            shown += event["text"]
    assert shown == events[-1]["run"]["output"]


def test_the_command_line_is_in_the_image(stack: Compose):
    listed = stack("exec", "-T", "app", "agents", "list", "--json")
    assert [agent["name"] for agent in json.loads(listed)["items"]] == ["support", "assistant"]


def test_a_run_can_be_read_and_watched(stack: Compose):
    run_id = stack.start_run("What about order A-1002?")
    types = [event["type"] for event in stack.events(run_id)]
    assert types[0] == "run.started"
    assert types[-1] == "run.completed"
    assert "tool_call.completed" in types
    run = stack.client.get(f"/runs/{run_id}").json()
    assert (run["status"], run["usage"]["tool_calls"]) == ("completed", 1)


def _parse(stream: str) -> list[dict[str, Any]]:
    lines = stream.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line[:6] == "data: "]


def _docker_kill(stack: Compose) -> None:
    stack.docker("kill", stack.container("worker"))
    # The engine takes this for an operator's wish, and restarts nothing.
    stack("start", "worker")


def _crash(stack: Compose) -> None:
    # All but the init process. The engine restarts the container by itself.
    stack.python("worker", "import os; os.kill(-1, 9)", check=False)


@pytest.mark.parametrize(
    ("order", "kill"), [("A-1001", _docker_kill), ("A-1003", _crash)], ids=["killed", "crashed"]
)
def test_a_run_outlives_its_worker(stack: Compose, order: str, kill: Callable[[Compose], None]):
    began = stack.inspect("worker")["State"]["StartedAt"]
    run_id = stack.start_run(f"Please refund order {order}.")
    _wait_until(lambda: stack.refunds(run_id) == (1, 1), "the refund")

    killed_at = time.monotonic()
    kill(stack)
    run = stack.result(run_id)
    print(f"ended {time.monotonic() - killed_at:.1f} s after the kill")  # noqa: T201  # pytest -s shows it
    assert run["status"] == "completed", run
    assert stack.inspect("worker")["State"]["StartedAt"] != began
    assert stack.refunds(run_id) == (2, 1), "executed again, with the same key: paid once"
    seqs = [event["seq"] for event in stack.events(run_id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_restate_keeps_runs_and_threads_when_it_is_killed(stack: Compose):
    done = stack.start_run("What about order A-1004?", thread_id="kept")
    before = stack.result(done)
    events = stack.events(done)
    running = stack.start_run("Please refund order A-1004.")
    _wait_until(lambda: stack.refunds(running) == (1, 1), "the refund")

    stack.docker("kill", stack.container("restate"))
    stack("start", "restate")

    _wait_until(lambda: stack.client.get("/readyz").status_code == 200, "Restate")
    assert stack.result(running)["status"] == "completed"
    assert stack.client.get(f"/runs/{done}").json() == before
    assert stack.events(done) == events
    assert len(stack.client.get("/threads/kept/messages").json()["items"]) == 4


def test_up_again_changes_nothing(stack: Compose):
    services = ("restate", "worker", "app")
    before = {service: stack.inspect(service)["State"]["StartedAt"] for service in services}
    stack.up()
    after = {service: stack.inspect(service)["State"]["StartedAt"] for service in services}
    assert after == before


def test_down_and_up_keeps_what_was_there(stack: Compose):
    run_id = stack.start_run("What about order A-1002?")
    before = stack.result(run_id)
    waiting = stack.start_run("Please refund order A-1002.")
    _wait_until(lambda: stack.refunds(waiting) == (1, 1), "the refund")

    began = time.monotonic()
    stack("down")
    assert time.monotonic() - began < 10, "each container ends at SIGTERM"
    stack.up()

    assert stack.client.get(f"/runs/{run_id}").json() == before
    assert stack.result(waiting)["status"] == "completed"
    assert stack.refunds(waiting) == (2, 1)


def test_only_loopback_reaches_the_ports_and_nobody_the_worker(stack: Compose):
    for service in ("app", "restate"):
        bindings = stack.inspect(service)["HostConfig"]["PortBindings"].values()
        assert {binding["HostIp"] for port in bindings for binding in port} == {"127.0.0.1"}
    assert not stack.inspect("worker")["HostConfig"]["PortBindings"]
    assert not stack.inspect("demo-model")["HostConfig"]["PortBindings"]


def test_the_worker_serves_nobody_but_restate(stack: Compose):
    asked = [("POST", f"/v{JOURNAL_VERSION}/invoke/support/run"), ("GET", "/streams/default%2Fx")]
    for method, path in asked:
        status = stack.python(
            "app",
            "import http.client; worker = http.client.HTTPConnection('worker', 9081);"
            f"worker.request('{method}', '{path}', body=b'');"
            "print(worker.getresponse().status)",
        )
        assert status == "401", path
    assert stack.python("worker", "open('/identity/restate.pem')", check=False) == "", (
        "the key that signs is not the worker's to read"
    )


@pytest.mark.parametrize(
    ("service", "lacking"),
    [
        ("app", "worker litellm restate dev"),
        ("worker", "app fastapi dev"),
        ("demo-model", "worker"),
    ],
)
def test_an_image_holds_only_what_it_needs(stack: Compose, service: str, lacking: str):
    found = stack.python(
        service,
        "import importlib.util as util;"
        f"print([name for name in {lacking.split()} if util.find_spec(name)])",
    )
    assert found == "[]"


@pytest.mark.parametrize("service", ["app", "worker", "demo-model"])
def test_a_container_is_locked_down(stack: Compose, service: str):
    code = "import os, pathlib; print(os.getuid() == 0, os.access('/srv', os.W_OK))"
    assert stack.python(service, code) == "False False"
    assert stack.inspect(service)["HostConfig"]["ReadonlyRootfs"] is True


def test_keys_and_settings_reach_only_who_needs_them(stack: Compose):
    (stack.folder / ".env").write_text(
        'SUPPORT_BANK_DELAY_S=3\nFOO_API_KEY=secret\nAPP_KEYS={"acme": ["secret"]}\n'
    )
    code = "import os; print('FOO_API_KEY' in os.environ, bool(os.environ.get('APP_KEYS')))"
    run = ("run", "--rm", "--no-deps", "--no-TTY")
    assert stack(*run, "app", "python", "-c", code).strip() == "False True"
    assert stack(*run, "worker", "python", "-c", code).strip() == "True False"
    assert stack(*run, "register", "python", "-c", code).strip() == "False False"


def test_without_a_key_a_run_ends_and_names_what_is_missing(stack: Compose):
    (stack.folder / ".env").unlink()
    stack.settings = {}
    stack.up()
    ready = stack.client.get("/readyz").json()
    assert ready["drift"] == [], "the new model is registered too"
    models = {agent["model"] for agent in stack.client.get("/agents").json()["items"]}
    assert models.isdisjoint({DEMO_MODEL})

    run = stack.result(stack.start_run("Hello"))
    assert (run["status"], run["error"]["type"]) == ("failed", "model-auth")
    assert "OPENAI_API_KEY" in run["error"]["message"]


def _wait_until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _RUN_TIMEOUT_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_RUN_TIMEOUT_S} s for {what}")
        time.sleep(0.1)


def _copy_tracked_files(folder: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


def _skip_without_engine() -> None:
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except FileNotFoundError:
            pytest.skip("no Docker: the containers are NOT tested")
        if done.returncode:
            pytest.skip(f"no Docker engine ({done.stderr.strip()}): the containers are NOT tested")
