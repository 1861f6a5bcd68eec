"""The local stack listens where the environment and `.env` say, under the names that all read."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from outlast_local.background import local_stack
from outlast_local.settings import ForeignRestate, LocalSettings
from outlast_local.stack import Ports, Stack


def test_defaults(root: Path) -> None:
    """Nothing need be set."""
    settings = LocalSettings()
    assert (settings.ports(), settings.given()) == (Ports(), {})
    settings.check_own_restate()


def test_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, and the environment comes before it; an empty value is none."""
    (root / ".env").write_text(
        "APP_PORT=1\nWORKER_PORT=2\nRESTATE_INGRESS_PORT=3\nRESTATE_ADMIN_PORT=4\n"
        "RESTATE_NODE_PORT=5\nDEMO_MODEL_PORT=6\nSTACK_DIR=here\nOTHER=7\n"
    )
    monkeypatch.setenv("WORKER_PORT", "20")
    monkeypatch.setenv("APP_PORT", "")
    ports = LocalSettings().ports()
    assert (ports.worker, ports.ingress, ports.admin) == (20, 3, 4)
    assert (ports.node, ports.model) == (5, 6)
    assert ports.app == 1
    assert LocalSettings().stack_dir == Path("here")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_ports_of_addresses(root: Path, host: str) -> None:
    """An address on this machine says where to listen, if no port does."""
    (root / ".env").write_text(
        f"RESTATE_INGRESS_URL=http://{host}:11\nRESTATE_ADMIN_URL=http://{host}:12\n"
        f"WORKER_URL=http://{host}:13\n"
    )
    settings = LocalSettings()
    ports = settings.ports()
    assert (ports.ingress, ports.admin, ports.worker) == (11, 12, 13)
    settings.check_own_restate()


def test_a_worker_behind_something(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Restate reaches the worker need not be where it listens."""
    monkeypatch.setenv("WORKER_URL", "https://proxy:443")
    assert LocalSettings().ports().worker == Ports().worker
    assert LocalSettings().given() == {"WORKER_URL": "https://proxy:443"}


@pytest.mark.parametrize("name", ["INGRESS", "ADMIN"])
@pytest.mark.parametrize("url", ["http://restate:9070", "http://127.0.0.1:24999"])
def test_another_restate(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    """A command that starts Restate refuses the address of another one, with the settings."""
    monkeypatch.setenv(f"RESTATE_{name}_URL", url)
    monkeypatch.setenv(f"RESTATE_{name}_PORT", "24998")
    with pytest.raises(ForeignRestate, match=rf"RESTATE_{name}_URL is {url}.*:24998.*\.env"):
        LocalSettings().check_own_restate()


@pytest.mark.parametrize("port", ["http", "0", "70000"])
def test_what_is_no_port(root: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    """What can't be a port is refused before anything starts."""
    monkeypatch.setenv("APP_PORT", port)
    with pytest.raises(ValidationError):
        LocalSettings()


def test_addresses_reach_the_processes(root: Path, tmp_path: Path) -> None:
    """What was given comes before what the stack would choose."""
    (root / ".env").write_text("APP_HOST=::1\nWORKER_HOST=0.0.0.0\nRESTATE_ADMIN_URL=http://r:1\n")
    settings = LocalSettings()
    stack = Stack(tmp_path, settings.ports(), settings.given(), hermetic=False)
    assert stack.app_url == "http://[::1]:8070"
    assert stack.environment["APP_HOST"] == "::1"
    assert stack.environment["WORKER_URL"] == "http://127.0.0.1:9081"
    assert stack.environment["RESTATE_ADMIN_URL"] == "http://r:1"


# What the processes are given besides.


@pytest.mark.parametrize("place", ["environment", ".env", None])
def test_the_shops_orders(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str | None
) -> None:
    """Where the example agent keeps its orders is the caller's choice before the stack's."""
    if place == "environment":
        monkeypatch.setenv("SUPPORT_DB", "mine.db")
    elif place:
        (root / ".env").write_text("SUPPORT_DB=mine.db\n")
    settings = LocalSettings()
    stack = local_stack(settings, tmp_path)
    expected = "mine.db" if place else str(tmp_path / "support.db")
    assert stack.environment["SUPPORT_DB"] == expected


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
    environment = Stack(tmp_path, Ports(), hermetic=False).environment
    assert (environment["NO_PROXY"], environment["no_proxy"]) == (expected, expected)


def test_the_callers_modules_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of agents may lie anywhere that the caller's Python looks."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere:/else")
    environment = Stack(tmp_path, Ports(), hermetic=False).environment
    assert environment["PYTHONPATH"] == "/somewhere:/else"


def test_a_hermetic_stack_takes_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests and the demo don't depend on what the shell has."""
    names = ("APP_HOST", "APP_KEYS", "AGENTS", "OPENAI_API_KEY", "SUPPORT_DB", "NO_PROXY")
    for name in ("PYTHONPATH", *names):
        monkeypatch.setenv(name, "theirs")
    (root / ".env").write_text("APP_PORT=1\n")
    environment = Stack(tmp_path, Ports()).environment
    assert "theirs" not in environment.values()
    assert environment["APP_PORT"] == str(Ports().app)
