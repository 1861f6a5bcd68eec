"""A stack whose parts are killed and started again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.receiver import Receiver
from fakes.stack import TestStack

pytestmark = pytest.mark.crash
pytest.register_assert_rewrite("crash.abilities")

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def crash_stack(
    tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel, receiver: Receiver
) -> Iterator[TestStack]:
    """One stack for all crash tests."""
    with TestStack(tmp_path_factory.mktemp("crash"), model, receiver.settings) as running:
        yield running


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the stack's processes where other tests follow: a Restate that idles costs, too."""
    left = nextitem is None or not nextitem.path.is_relative_to(_HERE)
    stack = getattr(item, "funcargs", {}).get("crash_stack")
    if left and stack:
        stack.stop()


@pytest.fixture
def stack(crash_stack: TestStack) -> TestStack:
    """The stack, whole again whatever the test before has left."""
    if not crash_stack.restate.running:
        crash_stack.start_restate()
    if not crash_stack.worker.running:
        crash_stack.start_worker()
    if not crash_stack.app.running:
        crash_stack.start_app()
    crash_stack.wait_ready()
    return crash_stack


@pytest.fixture
def api(stack: TestStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(stack.app_url) as client:
        yield client


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")
