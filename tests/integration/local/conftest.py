"""Commands in the folder of a project of one's own, which end with the test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.local_command import LocalCommand
from fakes.repository import ROOT
from outlast_local.ports import free_ports
from outlast_local.restate.binary import in_node_modules

PORTS = (
    "APP_PORT",
    "WORKER_PORT",
    "RESTATE_INGRESS_PORT",
    "RESTATE_ADMIN_PORT",
    "DEMO_MODEL_PORT",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings of a project, with Restate on PATH."""
    restate = in_node_modules(ROOT)
    assert restate, "run `make setup`"
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    return {
        "PATH": f"{restate.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "MODEL": "",
        "AGENTS": "example_agents",
        "OUTLAST_URL": f"http://127.0.0.1:{ports['APP_PORT']}",
        **ports,
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., LocalCommand]]:
    """Start a command: its arguments, and changes of its environment."""
    started: list[LocalCommand] = []

    def begin(arguments: list[str], **changes: str) -> LocalCommand:
        started.append(LocalCommand(arguments, {**environment, **changes}, tmp_path))
        return started[-1]

    yield begin
    for command in started:
        command.close()
