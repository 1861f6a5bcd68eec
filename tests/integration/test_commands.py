"""The commands of the Makefile: what they start ends with them, and they say what goes on."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from fakes.api import DEADLINE_S, wait_until
from outlast_local.ports import free_ports
from outlast_local.process_table import ProcessTable
from outlast_local.restate_binary import ROOT

PORTS = (
    "APP_PORT",
    "WORKER_PORT",
    "RESTATE_INGRESS_PORT",
    "RESTATE_ADMIN_PORT",
    "RESTATE_NODE_PORT",
    "DEMO_MODEL_PORT",
)
AGENT = "from outlast import Agent\nagents = [Agent(name='mine', instructions='Help.')]\n"


def _program(module: str) -> list[str]:
    return [str(ROOT / "dev" / "demo.py")] if module == "demo" else ["-m", module]


class Command:
    """A command on a terminal of its own."""

    def __init__(self, module: str, *arguments: str, environment: dict[str, str]) -> None:
        self.environment = environment
        self._terminal, inner = pty.openpty()
        self._said = ""
        self.process = subprocess.Popen(
            [sys.executable, *_program(module), *arguments],
            cwd=ROOT,
            env=environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            process_group=0,
        )
        os.close(inner)
        os.set_blocking(self._terminal, False)

    def press_ctrl_c(self) -> None:
        """Do what the terminal would: signal all of the foreground's processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def said(self) -> str:
        try:
            while read := os.read(self._terminal, 65536):
                self._said += read.decode().replace("\r\n", "\n")
        except OSError:  # nothing more for now, or closed by the command's end
            pass
        return self._said

    def wait_to_say(self, text: str) -> None:
        wait_until(lambda: text in self.said(), f"{text!r} in {self.said()!r}")

    def wait_to_end(self) -> float:
        """Return how long that took."""
        began = time.monotonic()
        wait_until(lambda: self.said() is not None and self.process.poll() is not None, "the end")
        return time.monotonic() - began

    def left(self) -> list[psutil.Process]:
        """Return what runs with this test's environment."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get("TMPDIR")
            except psutil.Error:
                continue
            if mark == self.environment["TMPDIR"] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def close(self) -> None:
        for process in self.left():
            process.kill()
        self.process.wait(10)
        os.close(self._terminal)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "STACK_DIR": str(tmp_path / "stack"),
        "PYTHONPATH": str(tmp_path),
        "MODEL": "",
        "AGENTS": "example_agents",
        **ports,
    }


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def begin(module: str, *arguments: str, **changes: str) -> Command:
        started.append(Command(module, *arguments, environment={**environment, **changes}))
        return started[-1]

    yield begin
    for command in started:
        command.close()


def test_demo(start: Callable[..., Command]) -> None:
    """The demo shows a run that ends well after two crashes, and leaves nothing."""
    demo = start("demo")
    demo.wait_to_end()
    said = demo.said()
    assert demo.process.returncode == 0, said
    assert said.count("SIGKILL of the worker") == 2
    for line in ("2 ×  model 1", "1 ×  tool find_order", "2 ×  tool refund", "is completed:"):
        assert line in said
    assert said.count("paid      R-5001: A-1001, 49.90 €") == 1
    assert "Traceback" not in said
    assert demo.left() == []


# Ctrl-C.


@pytest.mark.parametrize("moment", ["Starting Restate", "turn.started", "SIGKILL of the worker"])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_demo(start: Callable[..., Command], moment: str, times: int) -> None:
    """Ctrl-C ends the demo within moments and with one line, and leaves nothing; twice, sooner."""
    demo = start("demo")
    demo.wait_to_say(moment)
    for _ in range(times):
        demo.press_ctrl_c()
        time.sleep(0.1)
    assert demo.wait_to_end() < (4 if times == 1 else 3)
    assert demo.left() == []
    assert demo.said().count("Stopping …") == 1
    assert "Traceback" not in demo.said()


def test_a_closed_terminal(start: Callable[..., Command]) -> None:
    """The end of the terminal is the end of the demo."""
    demo = start("demo")
    demo.wait_to_say("turn.started")
    demo.process.send_signal(signal.SIGHUP)
    demo.wait_to_end()
    assert demo.left() == []


@pytest.mark.parametrize("started", ["restate", "worker", "app"])
def test_ctrl_c_while_the_local_stack_starts(start: Callable[..., Command], started: str) -> None:
    """`up-local` that is interrupted leaves nothing, whatever it has started."""
    up = start("outlast_local.background", "up")
    table = ProcessTable(Path(up.environment["STACK_DIR"]))
    wait_until(lambda: started in table.alive(), f"{started} in stack.json")
    up.press_ctrl_c()
    up.wait_to_end()
    assert up.left() == []
    assert table.alive() == {}
    assert "Traceback" not in up.said()


# `up-local`, `down-local`, `register`.


def test_down_after_a_part_has_died(start: Callable[..., Command]) -> None:
    """`down-local` ends what is left of a stack, and then it can be started again."""
    up = start("outlast_local.background", "up")
    up.wait_to_end()
    table = ProcessTable(Path(up.environment["STACK_DIR"]))
    table.alive()["restate"].kill()
    down = start("outlast_local.background", "down")
    down.wait_to_end()
    assert (down.process.returncode, down.left()) == (0, [])
    assert "Traceback" not in down.said()
    again = start("outlast_local.background", "up")
    again.wait_to_end()
    assert again.process.returncode == 0, again.said()
    start("outlast_local.background", "down").wait_to_end()


def test_orders_of_ones_own(start: Callable[..., Command], tmp_path: Path) -> None:
    """The example agent's orders are where SUPPORT_DB says, from its first call on."""
    path = tmp_path / "orders" / "mine.db"
    up = start("outlast_local.background", "up", SUPPORT_DB=str(path))
    up.wait_to_end()
    assert up.process.returncode == 0, up.said()
    address = f"http://127.0.0.1:{up.environment['APP_PORT']}/agents/support/runs"
    question = {"input": "Where is my order A-1003?"}
    run = httpx.post(address, json=question, trust_env=False, timeout=30).json()
    assert "Monitor arm" in run["output"]
    assert path.exists()
    assert not (Path(up.environment["STACK_DIR"]) / "support.db").exists()
    start("outlast_local.background", "down").wait_to_end()


def test_down_after_up_was_killed(start: Callable[..., Command]) -> None:
    """Processes are written down as they start, so that `down-local` finds them."""
    up = start("outlast_local.background", "up")
    table = ProcessTable(Path(up.environment["STACK_DIR"]))
    wait_until(lambda: "worker" in table.alive(), "the worker in stack.json")
    up.process.kill()
    down = start("outlast_local.background", "down")
    down.wait_to_end()
    assert down.left() == []


def test_agents_of_ones_own(start: Callable[..., Command], tmp_path: Path) -> None:
    """A module elsewhere is found by both processes, and the call that is shown names its agent."""
    (tmp_path / "agents_elsewhere.py").write_text(AGENT)
    up = start("outlast_local.background", "up", AGENTS="agents_elsewhere", DATADOG_API_KEY="d")
    up.wait_to_end()
    assert up.process.returncode == 0, up.said()
    address = f"http://127.0.0.1:{up.environment['APP_PORT']}/agents/mine/runs"
    assert f"curl {address} " in up.said()
    run = httpx.post(address, json={"input": "Hello"}, trust_env=False, timeout=30).json()
    assert "stand-in" in run["output"]
    start("outlast_local.background", "down").wait_to_end()


def test_register_elsewhere(start: Callable[..., Command]) -> None:
    """`register` goes where RESTATE_ADMIN_URL says, and its Ctrl-C is no error."""
    with socket.create_server(("127.0.0.1", 0)) as admin:
        admin.settimeout(DEADLINE_S)
        url = f"http://127.0.0.1:{admin.getsockname()[1]}"
        command = start("outlast_local.background", "register", RESTATE_ADMIN_URL=url)
        admin.accept()[0].close()
        command.press_ctrl_c()
        command.wait_to_end()
    assert command.left() == []
    assert "Traceback" not in command.said()


# `make dev`.


def test_mistakes_during_development(start: Callable[..., Command], tmp_path: Path) -> None:
    """A mistake is shown, the next save is served, and Ctrl-C ends all of it."""
    module = tmp_path / "agents_in_work.py"
    module.write_text("agents = [\n")
    dev = start("outlast_local.reloading", AGENTS="agents_in_work")
    dev.wait_to_say("Waiting for a change …")
    assert f'File "{module}"' in dev.said()
    assert "SyntaxError" in dev.said()
    assert "importlib" not in dev.said()
    module.write_text(AGENT)
    dev.wait_to_say("registered")
    written = tmp_path / "written.py"
    written.write_text("agents = no_such_name\n")
    written.replace(module)
    dev.wait_to_say("NameError")
    wait_until(lambda: dev.said().count("Waiting for a change …") == 2, "the second wait")
    assert "already dead" not in dev.said()
    module.write_text(AGENT)
    address = f"http://127.0.0.1:{dev.environment['APP_PORT']}/readyz"
    wait_until(lambda: _is_ready(address), address)
    dev.press_ctrl_c()
    assert dev.wait_to_end() < 4
    assert dev.left() == []
    assert "Traceback" not in dev.said().partition("Stopping …")[2]


@pytest.mark.parametrize("moment", ["Waiting for a change …", "registered"])
def test_a_new_stack_in_the_folder_of_an_old_one(
    start: Callable[..., Command], tmp_path: Path, moment: str
) -> None:
    """`down-local` ends `make dev`, too, which then forgets nothing of the stack that follows."""
    module = tmp_path / "agents_in_work.py"
    module.write_text(AGENT if moment == "registered" else "agents = [\n")
    dev = start("outlast_local.reloading", AGENTS="agents_in_work")
    dev.wait_to_say(moment)
    dev.process.send_signal(signal.SIGSTOP)  # so that it hears of its end after the next start
    refused = start("outlast_local.background", "up")
    refused.wait_to_end()
    assert refused.process.returncode == 1
    assert "Already running in" in refused.said()
    start("outlast_local.background", "down").wait_to_end()
    module.write_text(AGENT)
    up = start("outlast_local.background", "up")
    up.wait_to_end()
    assert up.process.returncode == 0, up.said()
    dev.process.send_signal(signal.SIGCONT)
    dev.wait_to_end()
    assert dev.process.returncode == 1
    assert "Traceback" not in dev.said()
    table = ProcessTable(Path(up.environment["STACK_DIR"]))
    assert {"restate", "worker", "app"} <= table.alive().keys()
    down = start("outlast_local.background", "down")
    down.wait_to_end()
    assert "restate ended" in down.said()
    assert down.left() == []


def test_restate_ends_during_development(start: Callable[..., Command], tmp_path: Path) -> None:
    """Without Restate `make dev` waits for nothing, and says so in one line."""
    (tmp_path / "agents_in_work.py").write_text(AGENT)
    dev = start("outlast_local.reloading", AGENTS="agents_in_work")
    dev.wait_to_say("registered")
    ProcessTable(Path(dev.environment["STACK_DIR"])).alive()["restate"].terminate()
    dev.wait_to_end()
    assert dev.process.returncode == 1
    assert dev.said().count("Restate has ended, perhaps by `make down-local`") == 1
    assert "Traceback" not in dev.said()
    assert dev.left() == []


def test_wrong_settings_during_development(start: Callable[..., Command]) -> None:
    """`make dev` ends at settings that no change of the code can mend, with what to write."""
    dev = start("outlast_local.reloading", LOG_LEVEL="foo", WORKER_SUSPEND_AFTER_S="-1")
    dev.wait_to_end()
    assert dev.process.returncode == 1
    assert "LOG_LEVEL must be 'DEBUG'," in dev.said()
    assert "WORKER_SUSPEND_AFTER_S must be greater than 0\n" in dev.said()
    assert "Waiting for a change" not in dev.said()
    assert "Traceback" not in dev.said()
    assert dev.left() == []


# One process alone.


@pytest.mark.parametrize(
    ("module", "variable"),
    [
        ("outlast_worker", "WORKER_PORT"),
        ("outlast_local.one_process", "WORKER_PORT"),
        ("outlast_local.one_process", "APP_PORT"),
    ],
)
def test_a_port_that_is_taken(start: Callable[..., Command], module: str, variable: str) -> None:
    """A process that can't listen names the port and its setting, and ends."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        process = start(module, MODEL="openai/x", **{variable: port})
        process.wait_to_end()
    assert process.process.returncode == 1
    [line] = process.said().splitlines()
    assert f"127.0.0.1:{port}" in line
    assert f"set {variable} to another port" in line


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
