"""The images can be built on: `FROM`, then `uv pip install`, as docs/production.md shows it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.compose import Compose
from fakes.repository import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_PAGE = (ROOT / "docs/production.md").read_text()
_AGENTS = '''\
"""An agent that needs a library which is not ours."""

import humanize

from outlast import Agent, tool


@tool
def find_order(order_id: str) -> str:
    """Look an order up.

    Args:
        order_id: The order's number, e.g. `A-1001`.
    """
    return humanize.intword(12_400_000)


agents = [Agent(name="reader", instructions="Look orders up.", tools=[find_order])]
'''
_PYPROJECT = """\
[project]
name = "mine"
version = "1.0"
dependencies = ["outlast", "humanize"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


@pytest.fixture(scope="module")
def stack(clone: Path) -> Iterator[Compose]:
    compose = Compose(clone, "outlast-on", {"COMPOSE_PROFILES": "demo"})
    mine = clone.parent / "mine"
    (mine / "mine").mkdir(parents=True)
    (mine / "mine/__init__.py").write_text(_AGENTS)
    (mine / "pyproject.toml").write_text(_PYPROJECT)
    (mine / "Dockerfile").write_text(_shown("Dockerfile"))
    override = _shown("docker-compose.override.yml").replace("mine-", f"{compose.project}-mine-")
    (clone / "docker-compose.override.yml").write_text(override)
    (clone / ".env").write_text("AGENTS=mine\n")
    parts = ("app", "worker")
    try:
        compose("-f", "docker-compose.yml", "build")
        for part in parts:
            base, image = f"{compose.project}-{part}", f"{compose.project}-mine-{part}"
            compose.docker("build", "--build-arg", f"BASE={base}", "--tag", image, str(mine))
        compose.up()
        yield compose
    finally:
        compose.remove()
        compose.docker("rmi", *(f"{compose.project}-mine-{part}" for part in parts), check=False)


def _shown(name: str) -> str:
    """Return a file as the page shows it."""
    [text] = re.findall(rf"```\w+\n# {re.escape(name)}\n(.*?)```", _PAGE, re.DOTALL)
    return text


def test_its_agents_answer_with_their_libraries(stack: Compose):
    ready = stack.api.http.get("/readyz")
    assert (ready.status_code, ready.json()["drift"]) == (200, [])
    run = stack.api.run("reader", "What about order A-1001?")
    assert run["status"] == "completed", run
    assert "12.4 million" in json.dumps(run["messages"])


@pytest.mark.parametrize("service", ["app", "worker"])
def test_a_container_is_locked_down_as_before(stack: Compose, service: str):
    assert stack.is_locked_down(service)
