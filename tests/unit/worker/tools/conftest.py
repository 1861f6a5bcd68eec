"""A runner without waits, and what it logs."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

import outlast_worker.tools.attempts
from outlast_worker.tools.runner import ToolRunner


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlast_worker.tools.attempts, "FIRST_DELAY_S", 0.001)


@pytest.fixture
def runner() -> Iterator[ToolRunner]:
    runner = ToolRunner(threads=4)
    yield runner
    runner.close()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    capture, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.configure(**before)
