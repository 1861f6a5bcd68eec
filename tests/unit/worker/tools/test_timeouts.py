"""Calls that take too long, or are cancelled."""

import asyncio
import contextlib
import threading
from typing import Any

import pytest

import outlast_worker.tools.attempts
from outlast import tool
from outlast_worker.tools.runner import ToolRunner
from unit.worker.tools.executing import A_MOMENT, WAIT_S, execute


async def test_async_timeout(runner: ToolRunner) -> None:
    """An async tool that takes too long is cancelled, and the text says how long it had."""
    cancelled: list[bool] = []

    @tool(timeout=A_MOMENT)
    async def hang() -> str:
        """Hang."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return "never"

    record = await execute(runner, hang)
    assert (record.output, record.error_type) == (
        "The tool hang did not finish within 0.03 s.",
        "timeout",
    )
    assert cancelled == [True]


async def test_sync_timeout(runner: ToolRunner) -> None:
    """A sync tool can't be stopped: the text says so, and it is not run a second time beside."""
    released, runs = threading.Event(), []

    @tool(timeout=A_MOMENT, retries=3)
    def hang() -> str:
        """Hang."""
        runs.append(1)
        released.wait(WAIT_S)
        return "late"

    record = await execute(runner, hang)
    released.set()
    assert record.is_error
    assert record.output == "The tool hang did not finish within 0.03 s; it may still be running."
    assert runs == [1]


async def test_async_timeout_is_retried(runner: ToolRunner) -> None:
    """An async tool that took too long is stopped, so it may be tried again."""
    runs: list[int] = []

    @tool(timeout=A_MOMENT, retries=1)
    async def hang_once() -> str:
        """Hang once."""
        runs.append(1)
        if len(runs) == 1:
            await asyncio.Event().wait()
        return "done"

    assert (await execute(runner, hang_once)).output == "done"


async def test_tool_that_does_not_let_itself_be_cancelled(
    runner: ToolRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left to itself, and not run a second time beside."""
    monkeypatch.setattr(outlast_worker.tools.attempts, "STOP_GRACE_S", 0.01)
    released, runs = asyncio.Event(), list[int]()

    @tool(timeout=A_MOMENT, retries=1)
    async def hang() -> str:
        """Hang."""
        runs.append(1)
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        raise ValueError("late")

    record = await execute(runner, hang)
    released.set()
    assert record.output == "The tool hang did not finish within 0.03 s; it may still be running."
    assert runs == [1]


async def test_tool_that_cancels_itself(runner: ToolRunner, logged: list[Any]) -> None:
    """That is its own failure, and ends neither the run nor the wait for it."""

    @tool
    async def give_up() -> str:
        """Give up."""
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)
        return "never"

    assert "CancelledError" in (await execute(runner, give_up)).output


async def test_a_tools_own_timeout(runner: ToolRunner, logged: list[Any]) -> None:
    """A TimeoutError of the tool's own is its error, not our limit."""

    @tool
    async def fetch() -> str:
        """Fetch."""
        raise TimeoutError("the bank is slow")

    record = await execute(runner, fetch)
    assert record.told == "The tool fetch failed: TimeoutError: the bank is slow"


async def test_cancelled_call(runner: ToolRunner) -> None:
    """Cancelling a call stops its async tool, and nothing turns that into a result."""
    began, stopped = asyncio.Event(), asyncio.Event()

    @tool(retries=2)
    async def hang() -> str:
        """Hang."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    running = asyncio.create_task(execute(runner, hang))
    await asyncio.wait_for(began.wait(), WAIT_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()
