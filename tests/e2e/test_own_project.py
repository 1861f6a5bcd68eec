"""A project of one's own in containers: its agents, with their libraries."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api import wait_until
from fakes.compose import Compose
from fakes.repository import ROOT
from outlast_worker.engine.records import JOURNAL_VERSION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_SLOW_TOOL_S = 4
_AGENTS = f'''\
"""An agent whose tool is slow, and needs a library that is not ours."""

import asyncio

import humanize

from outlast import Agent, tool


@tool
async def find_order(order_id: str) -> str:
    """Look an order up.

    Args:
        order_id: The order's number, e.g. `A-1001`.
    """
    with open("/tmp/begun", "a") as file:
        file.write(order_id)
    await asyncio.sleep({_SLOW_TOOL_S})
    return humanize.intword(12_400_000)


agents = [Agent(name="reader", instructions="Look orders up.", tools=[find_order])]
'''


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    project = tmp_path_factory.mktemp("home") / "desk"
    _init(project)
    compose = Compose(project, "desk", {"COMPOSE_PROFILES": "demo"})
    try:
        compose("build")
        began = time.monotonic()
        compose.up()
        print(f"up after {time.monotonic() - began:.1f} s")  # noqa: T201  # pytest -s shows it
        yield compose
    finally:
        compose.remove()


def _init(project: Path) -> None:
    project.mkdir()
    template = ROOT / "local/outlast_local/template"
    for name in ("Dockerfile", "compose.yaml", ".dockerignore"):
        shutil.copy(template / name, project)
    for member in ("shared", "app", "worker", "cli", "local"):
        command = ["uv", "build", "--quiet", "--wheel", "--offline", "--no-sources"]
        command += ["--out-dir", str(project / "wheels"), str(ROOT / member)]
        subprocess.run([sys.executable, "-m", *command], check=True)
    (project / "pyproject.toml").write_text(
        '[project]\nname = "desk"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'
        'dependencies = ["outlast", "humanize"]\n'
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[tool.setuptools]\npackages = ["desk"]\n'
    )
    (project / "desk").mkdir()
    (project / "desk/__init__.py").write_text(_AGENTS)


def test_its_agents_answer_with_their_libraries(stack: Compose):
    ready = stack.api.http.get("/readyz")
    assert (ready.status_code, ready.json()["drift"]) == (200, [])
    run = stack.api.run("reader", "What about order A-1001?")
    assert run["status"] == "completed", run
    assert "12.4 million" in json.dumps(run["messages"])


def test_a_run_outlives_its_worker(stack: Compose):
    began = stack.started_at("worker")
    run_id = stack.api.start("reader", "What about order A-1002?")
    read = "import pathlib; print('A-1002' in pathlib.Path('/tmp/begun').read_text())"
    wait_until(lambda: stack.python("worker", read, check=False) == "True", "the tool to begin")

    stack.kill("worker")
    run = stack.api.result(run_id)
    assert run["status"] == "completed", run
    assert stack.started_at("worker") != began
    assert "12.4 million" in json.dumps(run["messages"])
    seqs = [event["seq"] for event in stack.api.events(run_id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_restate_signs_and_the_worker_serves_nobody_else(stack: Compose):
    worker = "http://worker:9081"
    assert stack.asked("app", f"{worker}/v{JOURNAL_VERSION}/invoke/reader/run", "POST") == 401
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
    assert [agent["name"] for agent in json.loads(listed)["items"]] == ["reader"]


@pytest.mark.parametrize("service", ["app", "worker", "demo-model"])
def test_a_container_is_locked_down(stack: Compose, service: str):
    assert stack.is_locked_down(service)
