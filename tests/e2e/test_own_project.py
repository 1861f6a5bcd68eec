"""A project of one's own in containers: `outlast init`, a library more, `docker compose up`."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.compose import Compose
from fakes.events import assert_events_are_whole
from fakes.waiting import wait_until
from outlast_worker.engine.records import JOURNAL_VERSION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_SECONDS_OF_THE_TOOL = 4
_STARS = f'''\
"""An agent whose tool is slow, and needs a library that is not ours."""

import asyncio
from pathlib import Path

import humanize

from outlast import Agent, tool


@tool
async def count_stars(galaxy: str) -> str:
    """Count the stars of a galaxy.

    Args:
        galaxy: Its name, e.g. `M31`.
    """
    Path("/tmp", galaxy).touch()
    await asyncio.sleep({_SECONDS_OF_THE_TOOL})
    return humanize.intword(1_000_000_000_000)


agent = Agent(name="stars", instructions="Count stars.", tools=[count_stars])
'''


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    home = tmp_path_factory.mktemp("home")
    subprocess.run([sys.executable, "-m", "outlast_cli", "init", "desk"], cwd=home, check=True)
    _add_an_agent_with_a_library(home / "desk")
    compose = Compose(home / "desk", "desk", {"COMPOSE_PROFILES": "demo"})
    try:
        compose("build")
        began = time.monotonic()
        compose.up()
        print(f"up after {time.monotonic() - began:.1f} s")  # noqa: T201  # pytest -s shows it
        yield compose
    finally:
        compose.remove()


def _add_an_agent_with_a_library(project: Path) -> None:
    (project / "desk/stars.py").write_text(_STARS)
    _replace(project / "desk/__init__.py", "[stock, orders]", "[stock, orders, stars]")
    _replace(
        project / "desk/__init__.py",
        "from outlast",
        "from desk.stars import agent as stars\nfrom outlast",
    )
    _replace(project / "pyproject.toml", 'dependencies = ["', 'dependencies = ["humanize", "')


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_its_agents_answer(stack: Compose):
    ready = stack.api.http.get("/readyz")
    assert (ready.status_code, ready.json()["drift"]) == (200, [])
    run = stack.api.run("stock", "How many lamps are left in stock?")
    assert (run["status"], run["usage"]["tool_calls"]) == ("completed", 1), run
    assert '"left":12' in run["messages"][2]["content"]


def test_an_approval_is_waited_for(stack: Compose):
    run_id = stack.api.start("orders", "Order 5 lamps from the supplier.")
    [approval] = stack.api.wait_for_approval(run_id)["approvals"]
    assert stack.api.decide(run_id, approval["call_id"], "approve").status_code == 200
    run = stack.api.result(run_id)
    assert run["status"] == "completed", run
    assert "O-1001" in json.dumps(run["messages"])


def test_a_run_with_a_library_outlives_its_worker(stack: Compose):
    began = stack.started_at("worker")
    run_id = stack.api.start("stars", "Count the stars of M42.")
    begun = "import pathlib; print(pathlib.Path('/tmp/M42').exists())"
    wait_until(lambda: stack.python("worker", begun, check=False) == "True", "the tool to begin")

    stack.kill("worker")
    run = stack.api.result(run_id)
    assert run["status"] == "completed", run
    assert stack.started_at("worker") != began
    assert "1.0 trillion" in json.dumps(run["messages"])
    assert_events_are_whole(stack.api.events(run_id), run)


def test_restate_signs_and_the_worker_serves_nobody_else(stack: Compose):
    worker = "http://worker:9081"
    assert stack.asked("app", f"{worker}/v{JOURNAL_VERSION}/invoke/stock/run", "POST") == 401
    assert stack.asked("app", f"{worker}/streams/default%2Fx") == 401


def test_only_loopback_reaches_the_ports(stack: Compose):
    for service in ("app", "guard"):
        assert stack.published(service) == {"127.0.0.1"}
    for service in ("restate", "worker", "demo-model"):
        assert stack.published(service) == set()


def test_an_image_holds_only_what_it_needs(stack: Compose):
    assert stack.lacks("app", "outlast_worker outlast_local litellm restate")
    assert stack.lacks("worker", "outlast_app outlast_cli outlast_local fastapi typer")
    assert stack.lacks("guard", "outlast_worker litellm restate")
    listed = stack("exec", "-T", "app", "outlast", "list", "--json")
    names = [agent["name"] for agent in json.loads(listed)["items"]]
    assert names == ["stock", "orders", "stars"]


@pytest.mark.parametrize("service", ["app", "worker", "demo-model"])
def test_a_container_is_locked_down(stack: Compose, service: str):
    assert stack.is_locked_down(service)
