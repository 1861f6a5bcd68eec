"""A stack of its own for each test, so that memory and time are of what it does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.stack import TestStack


@pytest.fixture
def stack(tmp_path: Path, model: ScriptedModel) -> Iterator[TestStack]:
    with TestStack(tmp_path, model, {"LOG_LEVEL": "INFO"}) as running:
        yield running


@pytest.fixture
def api(stack: TestStack) -> Iterator[Api]:
    with Api(stack.app_url) as client:
        yield client
