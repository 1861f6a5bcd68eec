"""One stack for all integration tests, and once more with a replay after every step."""

from collections.abc import Iterator

import pytest

from tests.fakes.api import Api, TestStack
from tests.fakes.model_server import ScriptedModel

_MODES = {"": {}, "always-replay": {"WORKER_INACTIVITY_TIMEOUT_S": "0"}}


@pytest.fixture(scope="session", params=_MODES)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel
) -> Iterator[TestStack]:
    """Restate, worker and app, shared by the tests of one mode."""
    directory = tmp_path_factory.mktemp("stack")
    with TestStack(directory, model, _MODES[request.param]) as running:
        yield running


@pytest.fixture(scope="session")
def api(stack: TestStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(stack.app_url) as client:
        yield client
