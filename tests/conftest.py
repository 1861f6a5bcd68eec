"""Fixtures that every kind of test shares."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.fakes.model_server import ScriptedModel


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a stack, and those of a file, in one of the processes of `make test`."""
    for item in items:
        callspec = getattr(item, "callspec", None)  # of a parametrized test
        mode = callspec.params.get("stack") if callspec else None
        group = str(item.path) if mode is None else f"stack {mode}"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    """The scripted model server."""
    with ScriptedModel.start() as server:
        yield server


@pytest.fixture
def key() -> str:
    """A text that no other test uses: it finds this test's script."""
    return f"test {uuid4().hex}"
