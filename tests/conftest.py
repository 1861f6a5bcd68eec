"""Fixtures that every kind of test shares, and how tests are spread over processes."""

import gc
import os
import re
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from fakes.model_server import ScriptedModel
from fakes.receiver import Receiver
from modes import STACK_SETTINGS, unwanted

_STACK = re.compile(rf"tests/integration/.*[\[-]({'|'.join(STACK_SETTINGS)})[-\]]")
_LITELLM = re.compile(r"tests/unit/(worker/models/\w+|fakes/test_model_server)\.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-mode",
        action="store_true",
        help="run each integration test in one mode of the stack, half of them in each",
    )


def pytest_configure() -> None:
    """Hear Ctrl-C, and have all processes started here hear it, also as a job in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _scope(nodeid: str) -> str:
    """Return the stack that a test runs on, or that it runs on litellm, or else its file."""
    if stack := _STACK.match(nodeid):
        return stack[1]
    return "litellm" if _LITELLM.match(nodeid) else nodeid.partition("::")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests to the other mode; put slow ones last: what they wait for goes on meanwhile."""
    left = unwanted(items, one_mode=bool(config.getoption("one_mode")))
    config.hook.pytest_deselected(items=[*left])
    # The longest of what runs in one process comes first.
    scopes: dict[str, int] = {"litellm": 0}
    for item in items:
        scopes.setdefault(_scope(item.nodeid), len(scopes))
    items[:] = sorted(
        (item for item in items if item not in left),
        key=lambda item: (scopes[_scope(item.nodeid)], item.get_closest_marker("slow") is not None),
    )


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was collected: that stays, and is much to look through."""
    gc.freeze()


class ByStack(LoadScopeScheduling):
    """Keeps the tests of one stack, those on litellm, and those of one file in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Have `auto` mean two processes more than cores: tests wait for servers half of their time."""
    return (os.cpu_count() or 1) + 2 if config.option.numprocesses == "auto" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByStack:
    """Choose who runs what."""
    return ByStack(config, log)


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    """The scripted model server."""
    with ScriptedModel.start() as server:
        yield server


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with Receiver.start() as server:
        yield server


@pytest.fixture
def key() -> str:
    """A text that no other test uses: it finds this test's script."""
    return f"test {uuid4().hex}"
