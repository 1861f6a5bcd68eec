"""Fixtures of several kinds of unit test."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Undo what a test does to the process's logging."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.fixture(autouse=True, scope="session")
def agents_of_the_examples() -> Iterator[None]:
    """Name the one setting that has no default; a test may name other agents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTS", "example_agents")
        yield
