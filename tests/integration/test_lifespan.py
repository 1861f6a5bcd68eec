"""The agents' lifespan in real processes: the worker enters it and leaves it, the app does not."""

from collections.abc import Callable, Iterator

import pytest

from fakes import ScriptedModel, call, text
from fakes.api import Api
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast_local.ports import free_ports
from outlast_local.process import Process
from outlast_local.stack import is_up

Started = Callable[..., tuple[Process, str]]


def test_tools_share_what_it_yields(api: Api, model: ScriptedModel, key: str) -> None:
    """Async and sync tools, and conditions, of all runs of a worker get the same resources."""
    cents = abs(hash(key)) % 100
    model.script(key, [call("take", cents=cents), call("sum_up", cents=cents), text("ok")])
    assert api.run("till", key)["status"] == "completed"
    model.script(f"{key} again", [call("sum_up", cents=cents), text("ok")])
    again = api.run("till", f"{key} again")
    assert [m["content"] for m in again["messages"] if m["role"] == "tool"] == [
        "1 times, till open: True"
    ]


def test_a_condition_gets_it(api: Api, model: ScriptedModel, key: str) -> None:
    """A condition decides by the resources whether a person is asked."""
    model.script(key, [call("take", cents=101), text("ok")])
    run_id = api.start("till", key)
    api.wait_for_approval(run_id)
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    assert api.result(run_id)["output"] == "ok"


@pytest.fixture
def started(stack: TestStack) -> Iterator[Started]:
    """Starts processes with the till's agents, on ports of their own, and ends them."""
    processes: list[Process] = []

    def start(module: str, till: str) -> tuple[Process, str]:
        app, worker = (str(port) for port in free_ports(2))
        settings = {"AGENTS": "fakes.till", "TILL": till, "APP_PORT": app, "WORKER_PORT": worker}
        process = stack.process(module, settings)
        if process.log:
            process.log.unlink(missing_ok=True)  # of another test's
        process.start()
        processes.append(process)
        port = app if module == "outlast_app" else worker
        return process, f"http://127.0.0.1:{port}/healthz"

    yield start
    for process in processes:
        process.kill()


def marks(stack: TestStack, process: Process) -> list[str]:
    return [mark["did"] for mark in stack.effects(tool="lifespan", pid=process.pid)]


def test_entered_before_it_serves_and_left_at_the_end(stack: TestStack, started: Started) -> None:
    """Nobody finds the worker ready while it enters; SIGTERM leaves what was entered."""
    worker, health = started("outlast_worker", "waits")
    wait_until(lambda: "worker_starts" in worker.log_end(), "the worker to start")
    assert not is_up(health)
    assert marks(stack, worker) == []
    stack.open_gate("till")
    worker.wait_until(lambda: is_up(health), 20)
    assert marks(stack, worker) == ["entered"]
    assert worker.terminate() < 5
    assert marks(stack, worker) == ["entered", "left"]
    assert worker.exit_status == 0


def test_entry_that_fails_ends_the_worker(started: Started) -> None:
    """The trace and one line say why; nothing was served."""
    worker, _ = started("outlast_worker", "fails")
    wait_until(lambda: not worker.running, "the worker to end")
    assert worker.exit_status == 1
    *_, last = worker.log_lines()
    assert last == (
        "fakes.till.lifespan failed, so the worker does not serve. "
        "Mend what it needs and start again."
    )
    assert "KeyError: 'TILL_SECRET'" in worker.log_lines()


def test_the_app_does_not_enter_it(stack: TestStack, started: Started) -> None:
    """The app starts without what only tools need."""
    app, health = started("outlast_app", "fails")
    app.wait_until(lambda: is_up(health), 20)
    assert marks(stack, app) == []


def test_one_process_enters_it_too(started: Started) -> None:
    """Development's one process ends with the same line."""
    process, _ = started("outlast_local.one_process", "fails")
    wait_until(lambda: not process.running, "the process to end")
    assert process.exit_status == 1
    assert "fakes.till.lifespan failed, so the worker does not serve." in process.log_end()


@pytest.mark.parametrize("module", ["outlast_worker", "outlast_local.one_process"])
def test_end_while_it_enters(started: Started, module: str) -> None:
    """SIGTERM waits neither for the entry nor for what comes after it."""
    process, _ = started(module, "waits")
    wait_until(lambda: "worker_starts" in process.log_end(), "the worker to start")
    assert process.terminate() < 5
    assert process.exit_status == 0
