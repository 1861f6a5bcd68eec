"""Calls that fail and may be tried again."""

from datetime import timedelta
from typing import Any

import pytest

import outlast_worker.tools.attempts
from outlast import ToolContext, ToolError, tool
from outlast_worker.tools.attempts import total_timeout_s
from outlast_worker.tools.runner import ToolRunner
from unit.worker.tools.executing import execute


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_retries(runner: ToolRunner, logged: list[Any], retries: int) -> None:
    """A failing tool runs once and then as often as it may, always with the same key."""
    keys: list[str] = []

    @tool(retries=retries)
    async def fail(context: ToolContext) -> str:
        """Fail."""
        keys.append(context.idempotency_key)
        raise ValueError(f"attempt {len(keys)}")

    record = await execute(runner, fail)
    assert keys == ["test.run:1.0"] * (retries + 1)
    assert record.told
    assert record.told.endswith(f"ValueError: attempt {retries + 1}")
    assert [entry["attempt"] for entry in logged] == list(range(1, retries + 2))


async def test_retry_that_works(runner: ToolRunner, logged: list[Any]) -> None:
    """A later attempt's result is the call's result."""
    runs: list[int] = []

    @tool(retries=5)
    def fail_twice() -> str:
        """Fail twice."""
        runs.append(1)
        if len(runs) < 3:
            raise ToolError("busy")
        return "done"

    record = await execute(runner, fail_twice)
    assert (record.output, record.is_error, len(runs)) == ("done", False, 3)


async def test_invalid_arguments_are_not_retried(runner: ToolRunner) -> None:
    """Arguments don't get better by themselves."""

    @tool(retries=5)
    async def refund(cents: int) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run with invalid arguments")

    assert "cents" in (await execute(runner, refund)).output


def test_total_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest that a call can take is all its attempts, their ends, and the waits between."""
    monkeypatch.setattr(outlast_worker.tools.attempts, "FIRST_DELAY_S", 0.5)
    monkeypatch.setattr(outlast_worker.tools.attempts, "STOP_GRACE_S", 2)

    @tool(timeout=timedelta(seconds=10), retries=3)
    async def slow() -> str:
        """Be slow."""
        return ""

    assert total_timeout_s(slow) == 4 * (10 + 2) + 0.5 + 1 + 2
