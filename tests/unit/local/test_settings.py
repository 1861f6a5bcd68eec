"""The local stack listens where the environment and `.env` say, under the names that all read."""

import os
from pathlib import Path

import pytest

from outlast.settings_errors import InvalidSettings, read_settings
from outlast_local.background import local_stack, started_stack
from outlast_local.errors import ForeignRestate, NotRunning
from outlast_local.process_table import ProcessTable
from outlast_local.settings import LocalSettings, read_settings_of_started
from outlast_local.stack import Ports, Stack


def test_defaults(project: Path) -> None:
    """Nothing need be set."""
    settings = read_settings(LocalSettings)
    assert (settings.ports(), settings.given()) == (Ports(), {})
    settings.check_own_restate()


def test_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, and the environment comes before it; an empty value is none."""
    (project / ".env").write_text(
        "APP_PORT=1\nWORKER_PORT=2\nRESTATE_INGRESS_PORT=3\nRESTATE_ADMIN_PORT=4\n"
        "DEMO_MODEL_PORT=6\nSTACK_DIR=here\nOTHER=7\n"
    )
    monkeypatch.setenv("WORKER_PORT", "20")
    monkeypatch.setenv("APP_PORT", "")
    ports = read_settings(LocalSettings).ports()
    assert (ports.worker, ports.ingress, ports.admin) == (20, 3, 4)
    assert (ports.app, ports.model) == (1, 6)
    assert read_settings(LocalSettings).stack_dir == Path("here")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_ports_of_addresses(project: Path, host: str) -> None:
    """An address on this machine says where to listen, if no port does."""
    (project / ".env").write_text(
        f"RESTATE_INGRESS_URL=http://{host}:11\nRESTATE_ADMIN_URL=http://{host}:12\n"
        f"WORKER_URL=http://{host}:13\n"
    )
    settings = read_settings(LocalSettings)
    ports = settings.ports()
    assert (ports.ingress, ports.admin, ports.worker) == (11, 12, 13)
    settings.check_own_restate()


def test_own_processes_use_the_sockets(project: Path, tmp_path: Path) -> None:
    """Where the ports of its Restate are written down, the stack still goes by its sockets."""
    (project / ".env").write_text("RESTATE_ADMIN_URL=http://localhost:9070\n")
    settings = read_settings(LocalSettings)
    assert settings.given() == {}
    environment = Stack(tmp_path, settings.ports(), settings.given(), project=tmp_path).environment
    assert environment["RESTATE_ADMIN_URL"].startswith("unix:///")
    assert environment["RESTATE_INGRESS_URL"].startswith("unix:///")


def test_a_worker_behind_something(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Restate reaches the worker need not be where it listens."""
    monkeypatch.setenv("WORKER_URL", "https://proxy:443")
    assert read_settings(LocalSettings).ports().worker == Ports().worker
    assert read_settings(LocalSettings).given() == {"WORKER_URL": "https://proxy:443"}


@pytest.mark.parametrize("name", ["INGRESS", "ADMIN"])
@pytest.mark.parametrize(
    "url", ["http://restate:9070", "http://127.0.0.1:24999", "unix:///run/a.sock"]
)
def test_another_restate(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    """A command that starts Restate refuses the address of another one, with the settings."""
    monkeypatch.setenv(f"RESTATE_{name}_URL", url)
    monkeypatch.setenv(f"RESTATE_{name}_PORT", "24998")
    with pytest.raises(ForeignRestate, match=rf"RESTATE_{name}_URL is {url}.*:24998.*\.env"):
        read_settings(LocalSettings).check_own_restate()


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_what_is_no_port(project: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    """What can't be a port is refused before anything starts."""
    monkeypatch.setenv("APP_PORT", port)
    with pytest.raises(InvalidSettings, match="APP_PORT"):
        read_settings(LocalSettings)


def test_addresses_reach_the_processes(project: Path, tmp_path: Path) -> None:
    """What was given comes before what the stack would choose."""
    (project / ".env").write_text(
        "APP_HOST=::1\nWORKER_HOST=0.0.0.0\nRESTATE_ADMIN_URL=http://r:1\n"
    )
    settings = read_settings(LocalSettings)
    stack = Stack(tmp_path, settings.ports(), settings.given(), project=tmp_path)
    assert stack.app_url == "http://[::1]:8070"
    assert stack.environment["APP_HOST"] == "::1"
    assert stack.environment["WORKER_URL"] == "http://127.0.0.1:9081"
    assert stack.environment["RESTATE_ADMIN_URL"] == "http://r:1"


# What the processes are given besides.


def test_agents_and_their_data(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each module of agents has a folder of its own, unless STACK_DIR names one."""
    assert read_settings(LocalSettings).directory() == Path(".outlast/mine")
    stack = local_stack(read_settings(LocalSettings))
    assert stack.directory == project / ".outlast" / "mine"
    assert stack.environment["AGENTS"] == "mine"
    monkeypatch.setenv("STACK_DIR", "elsewhere")
    assert read_settings(LocalSettings).directory() == Path("elsewhere")


def test_no_agents(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AGENTS it is said what to set."""
    monkeypatch.delenv("AGENTS")
    with pytest.raises(InvalidSettings, match="AGENTS is missing; set it in"):
        read_settings(LocalSettings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "example.org, localhost"}, "example.org,localhost,127.0.0.1"),
        ({"no_proxy": ".example.org"}, ".example.org,127.0.0.1,localhost"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "a,b,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_what_no_proxy_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    """Calls on this machine don't go through a proxy, nor those that the caller kept off it."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = Stack(tmp_path, Ports(), project=tmp_path).environment
    assert (environment["NO_PROXY"], environment["no_proxy"]) == (expected, expected)


def test_whose_modules_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's modules can be imported, and those that the caller's Python finds."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere:/else")
    environment = Stack(tmp_path, Ports(), project=tmp_path).environment
    assert environment["PYTHONPATH"] == f"{tmp_path}:/somewhere:/else"


def test_a_hermetic_stack_takes_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests and the demo don't depend on what the shell has."""
    names = ("APP_HOST", "APP_KEYS", "AGENTS", "OPENAI_API_KEY", "NO_PROXY")
    for name in ("PYTHONPATH", *names):
        monkeypatch.setenv(name, "theirs")
    (project / ".env").write_text("APP_PORT=1\n")
    environment = Stack(tmp_path, Ports()).environment
    assert "theirs" not in environment.values()
    assert environment["APP_PORT"] == str(Ports().app)


@pytest.fixture
def without_agents(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of which only the start of its stack knew the agents."""
    monkeypatch.delenv("AGENTS")
    return project


def start(project: Path, agents: str, ports: dict[str, int]) -> ProcessTable:
    """Leave behind what a stack does that has started: this process is its app."""
    folder = project / ".outlast" / agents
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "restate.log").touch()
    table = ProcessTable(folder)
    table.add("app", os.getpid(), ports)
    return table


def test_agents_of_the_stack_that_runs(without_agents: Path) -> None:
    """A later command acts on the stack that is here, whose agents were set for its start."""
    with pytest.raises(InvalidSettings, match="AGENTS is missing"):
        read_settings_of_started()
    table = start(without_agents, "mine", {})
    assert read_settings_of_started().directory() == Path(".outlast/mine")
    other = start(without_agents, "yours", {})
    with pytest.raises(NotRunning, match=r"several stacks here: mine, yours\. Set AGENTS"):
        read_settings_of_started()
    other.clear()
    assert read_settings_of_started().agents == "mine"
    table.clear()
    with pytest.raises(NotRunning, match="several stacks here"):  # whose logs, say
        read_settings_of_started()


def test_ports_of_the_stack_that_runs(project: Path) -> None:
    """Ports that were set for its start alone are where a later command finds it."""
    settings = read_settings(LocalSettings)
    assert started_stack(settings).ports == Ports()
    table = start(project, "mine", {"app": 8071})
    assert started_stack(settings).ports == Ports(app=8071)
    table.clear()
    assert started_stack(settings).ports == Ports()
