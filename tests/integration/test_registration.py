"""Registering the worker: repeatable, verified, and clear when it can't be."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx
import pytest

from fakes.agents import agents
from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast_local.restate.binary import in_node_modules
from outlast_local.stack import Ports
from outlast_worker.engine.records import JOURNAL_VERSION

_NEWER = JOURNAL_VERSION + 1
_IN_VAIN = ("--timeout", "3")
"""For a command that waits for what does not come."""
_TOOLLESS = """
from outlast import Agent
agents = [Agent(name="courier", instructions="Deliver parcels.")]
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[TestStack]:
    """A stack that is registered by these tests alone."""
    stack = TestStack(tmp_path_factory.mktemp("registration"), model)
    try:
        stack.start_restate()
        stack.start_worker()
        stack.start_app()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def api(fresh: TestStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(fresh.app_url) as client:
        yield client


def _register(
    stack: TestStack, settings: Mapping[str, str] | None = None, *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "outlast_worker", "register", *options],
        env={**stack.environment, **(settings or {})},
        cwd=stack.directory,
        capture_output=True,
        text=True,
        check=False,
    )


def _served(stack: TestStack, service: str = "tester") -> dict:
    answer = httpx.get(f"{stack.admin_url}/services/{service}", trust_env=False)
    return answer.json() if answer.status_code == 200 else {}


def test_before_registration(fresh: TestStack, key: str) -> None:
    """The app is up but not ready, and a start says what to run."""
    with httpx.Client(base_url=fresh.app_url, trust_env=False) as http:
        assert http.get("/healthz").status_code == 200
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["type"]) == (503, "not-registered")
        for body in ({"input": key}, {"input": key, "thread_id": "t"}):
            answer = http.post("/agents/tester/runs", json=body)
            assert (answer.status_code, answer.json()["type"]) == (503, "not-registered")
            assert "make register" in answer.json()["detail"]


def test_register_and_again(fresh: TestStack) -> None:
    """Registering twice is as good as once."""
    for _ in range(2):
        done = _register(fresh)
        assert done.returncode == 0, done.stderr
    deployments = httpx.get(f"{fresh.admin_url}/deployments", trust_env=False).json()
    assert [d["uri"].rpartition("/")[2] for d in deployments["deployments"]] == [
        f"v{JOURNAL_VERSION}"
    ]
    assert httpx.get(f"{fresh.app_url}/readyz", trust_env=False).json()["drift"] == []


def test_changed_code_replaces_the_deployment(
    api: Api, fresh: TestStack, model: ScriptedModel, key: str
) -> None:
    """A worker with another definition is registered in place, under a run in flight."""
    gate = Gate()
    model.script(key, [attempts(text("lost", gate=gate), text("ok"))])
    run_id = api.start("tester", key)
    model.wait_for(key)
    before = _served(fresh)["metadata"]
    fresh.worker.kill()
    changed = {"MODEL": "openai/another"}
    worker = fresh.process("outlast_worker", changed)
    worker.start()
    try:
        # The worker that answers serves other agents than a command without the new setting.
        wait_until(lambda: _is_up(_health(fresh)), "the worker")
        stale = _register(fresh, None, *_IN_VAIN)
        assert stale.returncode == 1
        assert "serves other agents" in stale.stderr
        assert _register(fresh, changed).returncode == 0
        assert _served(fresh)["metadata"] != before
        ready = httpx.get(f"{fresh.app_url}/readyz", trust_env=False)
        without_own_model = [agent.name for agent in agents if agent.model is None]
        assert (ready.status_code, ready.json()["drift"]) == (200, without_own_model)
        assert api.result(run_id)["output"] == "ok"
    finally:
        gate.open()
        worker.terminate()
        fresh.start_worker()
        assert _register(fresh).returncode == 0


def _health(stack: TestStack) -> str:
    return f"http://127.0.0.1:{stack.ports.worker}/healthz"


def test_worker_out_of_reach(fresh: TestStack) -> None:
    """It waits for the worker, and then says where it looked."""
    free = Ports.free().worker
    done = _register(fresh, {"WORKER_URL": f"http://127.0.0.1:{free}"}, *_IN_VAIN)
    assert done.returncode == 1
    assert f"does not answer at http://127.0.0.1:{free}" in done.stderr
    done = _register(fresh, {"RESTATE_ADMIN_URL": f"http://127.0.0.1:{free}"}, *_IN_VAIN)
    assert done.returncode == 1
    assert "Restate's admin API does not answer" in done.stderr


def test_durable_tools_with_calls_are_not_taken_away(
    api: Api, fresh: TestStack, model: ScriptedModel, key: str
) -> None:
    """A call that waits is in nobody's way, but for a worker whose agent has no such tool."""
    model.script(key, [call("deliver", parcel="P-1"), text("done")])
    run_id = api.start("courier", key)
    wait_until(lambda: api.get(run_id)["waiting_for"] == "signal", "the call")
    assert _register(fresh).returncode == 0
    (fresh.directory / "toolless.py").write_text(_TOOLLESS)
    refused = _register(fresh, {"AGENTS": "toolless"})
    assert refused.returncode == 1
    assert "1 calls of durable tools of courier have not ended" in refused.stderr
    gone = _register(fresh, {"AGENTS": "example_agents"})
    assert "1 runs of courier have not ended" in gone.stderr
    assert api.cancel(run_id).status_code == 202
    wait_until(lambda: api.get(run_id)["ended_at"], "its end")


def test_agent_with_runs_is_not_taken_away(api: Api, fresh: TestStack, key: str) -> None:
    """A worker without an agent whose runs have not ended is refused, and nothing is changed."""
    run_id = api.start("tester", key, after_s=3600)
    without = {"AGENTS": "example_agents"}
    refused = _register(fresh, without)
    assert refused.returncode == 1
    assert "runs of tester have not ended" in refused.stderr
    assert _served(fresh)
    assert api.cancel(run_id).status_code == 202
    assert api.result(run_id)["status"] == "cancelled"
    # Now only what the worker really serves is wrong.
    assert "serves other agents" in _register(fresh, without, *_IN_VAIN).stderr
    assert _register(fresh).returncode == 0


def test_an_agent_that_is_taken_away_all_the_same(api: Api, fresh: TestStack, key: str) -> None:
    """Its runs stay, with a warning that says what to do, and end when it is back."""
    others = {"AGENTS": "example_agents", "LOG_JSON": "true"}
    run_id = api.start("tester", key, after_s=3600)
    fresh.worker.kill()
    worker = fresh.process("outlast_worker", others)
    worker.start()
    try:
        wait_until(lambda: _is_up(_health(fresh)), "the worker with other agents")
        warned = _register(fresh, others, "--allow-removed")
        assert warned.returncode == 0, warned.stderr
        assert '"agent":"tester","runs":1,' in warned.stderr
        assert "bring the agent back until they have ended" in warned.stderr
        assert not _served(fresh)
    finally:
        worker.terminate()
        fresh.start_worker()
        assert _register(fresh).returncode == 0
    assert api.cancel(run_id).status_code == 202
    assert api.result(run_id)["status"] == "cancelled"


def test_a_thread_outlives_a_removed_agent(
    api: Api, fresh: TestStack, model: ScriptedModel, key: str
) -> None:
    """What its run holds goes on once that is killed; what is for it waits until it is back."""
    thread_ids = [f"{key} {name}".replace(" ", "-") for name in ("killed", "back")]
    gate = Gate()
    model.script(key, [text("cut", gate=gate), text("late")])
    model.script(f"{key} next", [text("next")])
    holders = [api.start("tester", key, thread_id=thread_id) for thread_id in thread_ids]
    model.wait_for(key)
    ask = {"context": {"company": "Acme"}}
    waiting = api.start("support", f"{key} next", thread_id=thread_ids[0], **ask)
    fresh.worker.kill()
    others = {"AGENTS": "example_agents"}
    worker = fresh.process("outlast_worker", others)
    worker.start()
    try:
        wait_until(lambda: _is_up(_health(fresh)), "the worker with other agents")
        assert _register(fresh, others, "--allow-removed").returncode == 0
        fresh.administer(holders[0], "kill")
        assert api.result(waiting)["output"] == "next"
        # Neither a message nor an interruption for the other one stops its thread.
        for on_busy in ("steer", "interrupt"):
            started = api.start(
                "support", f"{key} next", thread_id=thread_ids[1], on_busy=on_busy, **ask
            )
            assert started in api.http.get(f"/threads/{thread_ids[1]}").json()["queued"]
    finally:
        worker.terminate()
        fresh.start_worker()
        assert _register(fresh).returncode == 0
    try:
        assert api.result(holders[1])["status"] == "cancelled"
    finally:
        gate.open()
    assert api.result(started)["output"] == "next"


def test_other_journal_versions_are_refused(fresh: TestStack) -> None:
    """A path of another journal version is a 503, so that Restate keeps the run for later."""
    with httpx.Client(base_url=_health(fresh).removesuffix("/healthz"), trust_env=False) as http:
        assert http.get(f"/v{_NEWER}/discover").status_code == 503
        assert http.get("/discover").status_code == 404


def test_older_worker_does_not_take_over_newer_runs(
    api: Api, fresh: TestStack, model: ScriptedModel, key: str
) -> None:
    """Going back is refused while runs of the newer version are in flight, and works after."""
    gate = Gate()
    model.script(key, [text("ok", gate=gate)])
    port = Ports.free().worker
    newer = fresh.process("fakes.newer_worker", {"WORKER_PORT": str(port)})
    newer.start()
    try:
        wait_until(lambda: _is_up(f"http://127.0.0.1:{port}/healthz"), "the newer worker")
        url = f"http://127.0.0.1:{port}/v{_NEWER}"
        httpx.post(
            f"{fresh.admin_url}/deployments", json={"uri": url, "force": True}, trust_env=False
        ).raise_for_status()
        run_id = api.start("tester", key)
        model.wait_for(key)
        refused = _register(fresh)
        assert refused.returncode == 1
        assert "1 runs in flight were begun by the newer worker" in refused.stderr
        gate.open()
        assert api.result(run_id)["output"] == "ok"
        assert _register(fresh).returncode == 0
        assert _served(fresh)["deployment_id"] == _deployment(fresh, f"/v{JOURNAL_VERSION}")
    finally:
        gate.open()
        newer.terminate()


def _deployment(stack: TestStack, suffix: str) -> str:
    deployments = httpx.get(f"{stack.admin_url}/deployments", trust_env=False).json()
    return next(d["id"] for d in deployments["deployments"] if d["uri"].endswith(suffix))


def test_service_prefix_keeps_teams_apart(fresh: TestStack, model: ScriptedModel, key: str) -> None:
    """Two teams share a Restate cluster: each has its own services."""
    model.script(key, [text("ok")])
    ports = Ports.free()
    team = {
        "SERVICE_PREFIX": "team-b.",
        "WORKER_PORT": str(ports.worker),
        "WORKER_URL": f"http://127.0.0.1:{ports.worker}",
        "APP_PORT": str(ports.app),
    }
    worker, app = fresh.process("outlast_worker", team), fresh.process("outlast_app", team)
    worker.start()
    app.start()
    try:
        done = _register(fresh, team)
        assert done.returncode == 0, done.stderr
        url = f"http://127.0.0.1:{ports.app}"
        wait_until(lambda: _is_up(f"{url}/readyz"), "the team's app")
        with Api(url) as team_api:
            run = team_api.run("tester", key, thread_id=key.replace(" ", "-"))
            listed = {name: team_api.http.get(f"/{name}").json() for name in ("runs", "threads")}
        assert run["output"] == "ok"
        assert _served(fresh, "team-b.tester")
        assert [item["run_id"] for item in listed["runs"]["items"]] == [run["run_id"]]
        assert [item["thread_id"] for item in listed["threads"]["items"]] == [run["thread_id"]]
        others = httpx.get(f"{fresh.app_url}/runs", trust_env=False).json()["items"]
        assert run["run_id"] not in [item["run_id"] for item in others]
        assert (
            httpx.get(f"{fresh.app_url}/runs/{run['run_id']}", trust_env=False).status_code == 404
        )
    finally:
        app.terminate()
        worker.terminate()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_restate_cli_registers(fresh: TestStack) -> None:
    """The documented way by Restate's own command line works."""
    done = subprocess.run(
        [
            str(in_node_modules(ROOT, "restate")),
            "--yes",
            "deployments",
            "register",
            f"http://127.0.0.1:{fresh.ports.worker}/v{JOURNAL_VERSION}",
            "--force",
        ],
        env={
            **fresh.environment,
            "RESTATE_ADMIN_URL": fresh.admin_url,
            "RESTATE_CLI_CONFIG_HOME": str(fresh.directory / "cli"),
            "HOME": str(fresh.directory),
            "PATH": os.environ["PATH"],
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("caller", ["curl", "the UI", "another page"])
def test_who_registers_at_the_admin_api(fresh: TestStack, caller: str) -> None:
    """The documented ways by the admin API and the server's UI work, and none for other pages."""
    pages = {"the UI": fresh.admin_url, "another page": "http://evil.example"}
    headers = {"Origin": pages[caller]} if caller in pages else {}
    answer = httpx.post(
        f"{fresh.admin_url}/deployments",
        json={
            "uri": f"http://127.0.0.1:{fresh.ports.worker}/v{JOURNAL_VERSION}",
            "force": True,
            "breaking": True,
        },
        headers=headers,
        trust_env=False,
    )
    if caller == "another page":
        assert answer.status_code == 403
    else:
        assert answer.status_code in (200, 201)
        assert "tester" in [service["name"] for service in answer.json()["services"]]
