"""The watchdog names the tool that holds up the event loop."""

import asyncio
import bdb
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import outlast_worker.watchdog
from outlast import Agent, ToolContext, tool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.tools.runner import ToolRunner
from outlast_worker.watchdog import LoopWatchdog

WAIT_S = 10


class Log:
    """Keeps warnings; the watchdog writes from its own thread."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.blocked, self.free = threading.Event(), threading.Event()

    def warning(self, event: str, **values: Any) -> None:
        self.entries.append({"event": event, **values})
        (self.blocked if event == "event_loop_blocked" else self.free).set()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(outlast_worker.watchdog, "_logger", log)
    return log


@contextmanager
def watched(blocked_after_s: float) -> Iterator[None]:
    watchdog = LoopWatchdog(asyncio.get_running_loop(), blocked_after_s)
    watchdog.start()
    yield
    watchdog.stop()


async def test_a_blocking_tool_is_named(log: Log) -> None:
    """While an async tool blocks the loop, its name and its line are logged, and then its end."""

    @tool
    async def render() -> str:
        """Render."""
        log.blocked.wait(WAIT_S)  # blocks the loop's thread until the watchdog has noticed
        return "done"

    context = ToolContext.for_test()
    call = PlannedCall(turn=1, call_id="1.0", name="render", arguments={}, known=True)
    agent = Agent(name="a", instructions="…", tools=[render])
    runner = ToolRunner(threads=1)
    with watched(blocked_after_s=0.05):
        record = await runner.execute(agent, call, context)
        assert await asyncio.to_thread(log.free.wait, WAIT_S)
    runner.close()
    assert record.output == "done"
    blocked, free = log.entries[:2]
    assert (blocked["event"], blocked["by"]) == ("event_loop_blocked", "tool render")
    assert blocked["at"]
    assert free["event"] == "event_loop_free_again"
    assert free["blocked_s"] >= 0.05


async def test_a_free_loop_is_not_reported(log: Log) -> None:
    """Nothing is logged while the loop answers, however long it waits for other things."""
    with watched(blocked_after_s=0.4):
        assert not await asyncio.to_thread(log.blocked.wait, 0.6)
    assert log.entries == []


def test_the_loop_ends_first(log: Log) -> None:
    """A watchdog whose loop was closed ends by itself."""

    async def start() -> LoopWatchdog:
        watchdog = LoopWatchdog(asyncio.get_running_loop(), 0.01)
        watchdog.start()
        return watchdog

    watchdog = asyncio.run(start())
    watchdog._thread.join(WAIT_S)
    assert not watchdog._thread.is_alive()


class LookingAround(bdb.Bdb):
    """A debugger in which somebody takes their time."""

    def user_line(self, frame: FrameType) -> None:
        time.sleep(0.3)
        self.set_continue()


async def test_a_breakpoint_is_not_reported(log: Log) -> None:
    """Somebody who has stopped in a tool to look around knows that it stands."""
    with watched(blocked_after_s=0.05):
        LookingAround().set_trace()
        await asyncio.sleep(0)
    assert log.entries == []
