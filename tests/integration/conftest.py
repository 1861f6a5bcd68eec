"""One stack for all integration tests, and once more with a replay after every step."""

from collections.abc import Iterator

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack

_MODES = {"usual": {}, "always-replay": {"WORKER_INACTIVITY_TIMEOUT_S": "0"}}


@pytest.fixture(scope="session", params=_MODES)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel
) -> Iterator[TestStack]:
    """Restate, worker and app, shared by the tests of one mode."""
    directory = tmp_path_factory.mktemp("stack")
    with TestStack(directory, model, _MODES[request.param]) as running:
        running.long_run = _start_long_run(running, model, request.param)
        yield running
        # A connection that breaks takes all the steps on it along: they would be repeated.
        assert not [line for line in running.worker.log_lines() if "Unhandled exception" in line]


@pytest.fixture(scope="session")
def api(stack: TestStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(stack.app_url) as client:
        yield client


def _start_long_run(stack: TestStack, model: ScriptedModel, mode: str) -> str:
    """Start a run with a step of 80 s before all tests, so that hardly anybody waits for it."""
    key = f"a long step {mode}"
    model.script(key, [call("pause", seconds=80), text("that took a while")])
    with Api(stack.app_url) as api:
        return api.start("tester", key)
