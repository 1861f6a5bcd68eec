"""One stack for all integration tests, and once more with a replay after every step."""

from collections.abc import Iterator

import pytest

from fakes.api import Api
from fakes.counting_proxy import CountingProxy
from fakes.model_server import ScriptedModel
from fakes.receiver import Receiver
from fakes.script import call, text
from fakes.stack import TestStack
from modes import STACK_SETTINGS
from outlast_local.ports import free_ports
from outlast_local.stack import is_up


@pytest.fixture(scope="session", params=STACK_SETTINGS)
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    model: ScriptedModel,
    receiver: Receiver,
) -> Iterator[TestStack]:
    """Restate, worker and app, shared by the tests of one mode."""
    directory = tmp_path_factory.mktemp("stack")
    settings = {**receiver.settings, **STACK_SETTINGS[request.param]}
    with TestStack(directory, model, settings) as running:
        running.long_run = _start_long_run(running, model, request.param)
        yield running
        # A connection that breaks takes all the steps on it along: they would be repeated.
        assert not [line for line in running.worker.log_lines() if "Unhandled exception" in line]


@pytest.fixture(scope="session")
def api(stack: TestStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(stack.app_url) as client:
        yield client


@pytest.fixture
def counted(stack: TestStack) -> Iterator[tuple[str, CountingProxy]]:
    """Return the address of an app of the test's own, and what counts its requests to Restate."""
    [port] = free_ports(1)
    with CountingProxy(stack.sockets.ingress_url) as proxy:
        settings = {"APP_PORT": str(port), "RESTATE_INGRESS_URL": proxy.url}
        app = stack.process("outlast_app", settings)
        app.start()
        try:
            app.wait_until(lambda: is_up(f"http://127.0.0.1:{port}/healthz"), 30)
            yield f"http://127.0.0.1:{port}", proxy
        finally:
            app.terminate()


def _start_long_run(stack: TestStack, model: ScriptedModel, mode: str) -> str:
    """Start a run with a step of 80 s before all tests, so that hardly anybody waits for it."""
    key = f"a long step {mode}"
    model.script(key, [call("pause", seconds=80), text("that took a while")])
    with Api(stack.app_url) as api:
        return api.start("tester", key)
