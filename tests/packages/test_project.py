"""A project of one's own, as a new user makes it: from wheels, in a folder outside of this one."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.waiting import wait_until
from outlast_local.ports import free_ports
from packages.environments import ROOT, Environment

pytestmark = [pytest.mark.packages, pytest.mark.slow, pytest.mark.timeout(600)]

# Ours were called so once; a user's may be.
_NAMESAKES = ("app", "shared", "worker", "cli")
_STACK_TEST = '''
"""The real stack of this project, with a scripted model."""

from outlast.testing import call, fault, text


def test_plain_function(run_agent):
    from desk.stock import agent

    assert run_agent(agent, "Hi.", model=[text("Hello.")]).output == "Hello."


def test_an_order(outlast_stack):
    run = outlast_stack.run(
        "orders",
        "Order 5 lamps.",
        model=[
            call("order_supplies", item="lamp", quantity=5),
            fault("rate-limit", retry_after_s=0.1),
            text("Ordered."),
        ],
        decisions={"order_supplies": "approve"},
    )
    assert (run.status, run.output) == ("completed", "Ordered.")


def test_a_crash(outlast_stack):
    model = [call("order_supplies", item="chair", quantity=1), text("Ordered.")]
    run_id = outlast_stack.start("orders", "Order a chair.", model=model)
    outlast_stack.crash_worker()
    run = outlast_stack.wait_for_end(run_id, decisions={"order_supplies": "approve"})
    assert run.output == "Ordered."


def test_a_script_that_is_too_short(outlast_stack):
    import pytest

    with pytest.raises(AssertionError, match="asked in turn 2"):
        outlast_stack.run("stock", "Chairs?", model=[call("look_up_stock", item="chair")])
'''


@pytest.fixture(scope="module")
def desk(everything: Environment) -> Path:
    """A fresh project, with packages beside its own that once were called as ours."""
    everything.run("outlast", "init", "desk")
    project = everything.work / "desk"
    for name in _NAMESAKES:
        (project / name).mkdir()
        (project / name / "__init__.py").write_text(
            f"raise ImportError('{name} is the user\\'s')\n"
        )
    return project


def test_its_tests_pass(everything: Environment, desk: Path) -> None:
    """What `init` writes is tested, and the kit finds all that it needs."""
    assert "6 passed" in everything.run("pytest", "-q", cwd=desk)


def test_it_is_typed(everything: Environment, desk: Path) -> None:
    """What `init` writes passes the strictest checks, with its tests."""
    mypy = ROOT / ".venv/bin/mypy"
    python = ("--python-executable", everything.python)
    everything.run(mypy, *python, "desk", "tests", cwd=desk)
    everything.run(
        ROOT / "node_modules/.bin/pyright", "--pythonpath", everything.python, "desk",
        cwd=desk,
    )  # fmt: skip


def test_fixtures(everything: Environment, desk: Path) -> None:
    """Pytest finds the fixtures by itself; the stack serves the project, crash included."""
    (desk / "tests" / "test_with_fixtures.py").write_text(_STACK_TEST)
    said = everything.run("pytest", "-q", "tests/test_with_fixtures.py", cwd=desk)
    assert "4 passed" in said


@pytest.fixture
def development(everything: Environment, desk: Path) -> Iterator[str]:
    """The address of the app of `outlast dev`."""
    app, worker, ingress, admin, model = (str(port) for port in free_ports(5))
    environment = {
        **everything.environment,
        "APP_PORT": app,
        "WORKER_PORT": worker,
        "RESTATE_INGRESS_PORT": ingress,
        "RESTATE_ADMIN_PORT": admin,
        "DEMO_MODEL_PORT": model,
    }
    log = everything.work / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [everything.folder / "bin" / "outlast", "dev"],
            cwd=desk,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{app}"

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(is_ready, "outlast dev to serve", deadline_s=120)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def test_development(development: str) -> None:
    """`outlast dev` serves the agents; the demo model answers, by the project's own tool."""
    answer = httpx.post(
        f"{development}/agents/stock/runs",
        json={"input": "How many lamps are left?"},
        trust_env=False,
        timeout=60,
    )
    run: dict[str, Any] = answer.json()
    assert (answer.status_code, run["status"]) == (200, "completed")
    results = [message["content"] for message in run["messages"] if message["role"] == "tool"]
    assert results == ['{"item":"lamp","left":12}']
