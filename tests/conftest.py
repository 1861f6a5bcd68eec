"""Fixtures that every kind of test shares, and how tests are spread over processes."""

import re
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from fakes.model_server import ScriptedModel

_STACK = re.compile(r"tests/integration/.*[\[-](usual|always-replay)[-\]]")


def pytest_configure() -> None:
    """Hear Ctrl-C, and have all processes started here hear it, also as a job in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class ByStack(LoadScopeScheduling):
    """Keeps the tests of one stack, those of the wheels, and those of one file, in one process."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/packages/"):
            return "packages"
        stack = _STACK.match(nodeid)
        return stack[1] if stack else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByStack:
    """Choose who runs what."""
    return ByStack(config, log)


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    """The scripted model server."""
    with ScriptedModel.start() as server:
        yield server


@pytest.fixture
def key() -> str:
    """A text that no other test uses: it finds this test's script."""
    return f"test {uuid4().hex}"
