"""Durations stay true when somebody sets the clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outlast import Agent, ToolContext, tool
from outlast_worker import stopwatch
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.runner import ToolRunner


class WallClock:
    """Stands in for `datetime`: a clock that can be set."""

    def __init__(self) -> None:
        self.is_off_by = timedelta(0)

    def now(self, zone: Any) -> datetime:
        return datetime.now(zone) + self.is_off_by


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr(stopwatch, "datetime", clock)
    return clock


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set(wall_clock: WallClock, hours: int) -> None:
    watch = Stopwatch()
    wall_clock.is_off_by = timedelta(hours=hours)
    assert timedelta(0) <= watch.read() - watch.started_at < timedelta(minutes=1)
    assert watch.started_at.tzinfo is UTC


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_tool_call(wall_clock: WallClock, hours: int) -> None:
    """A call takes as long as it takes."""

    @tool
    async def set_clock() -> str:
        """Set the clock."""
        wall_clock.is_off_by = timedelta(hours=hours)
        return "set"

    agent = Agent(name="a", instructions="Be brief.", model="openai/x", tools=[set_clock])
    call = PlannedCall(turn=1, call_id="1.0", name="set_clock", arguments={}, known=True)
    record = await ToolRunner(1).execute(agent, call, ToolContext.for_test())
    assert record.output == "set"
    assert 0 <= record.duration_ms < 60_000
