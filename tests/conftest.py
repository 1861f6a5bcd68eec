"""Fixtures that every kind of test shares."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.fakes.model_server import ScriptedModel


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    """The scripted model server."""
    with ScriptedModel.start() as server:
        yield server


@pytest.fixture
def key() -> str:
    """A text that no other test uses: it finds this test's script."""
    return f"test {uuid4().hex}"
