"""What a run brings along to its end, so that those who follow it need not read it."""

import pytest

from fakes.orders import order
from fakes.records import answer, pin
from fakes.steps import FakeSteps
from outlast.contract import LastEvents, ReturnedRun
from outlast.protocol import Run
from outlast_worker.engine.loop import AgentLoop
from unit.worker.engine.playing import script_with_tools


async def test_the_last_ones() -> None:
    """They are those that were committed, to the end, without a gap, and survive the wire."""
    steps = script_with_tools()
    loop = AgentLoop(steps, order())
    run = await loop.run()
    last = list(loop.last_events())
    assert last == steps.events[-8:]
    assert last[-1].type == "run.completed"
    returned = ReturnedRun.of(run, last).model_dump_json(exclude_none=True)
    assert Run.model_validate_json(returned) == run
    assert LastEvents.model_validate_json(returned).last_events == last


@pytest.mark.parametrize(("length", "kept"), [(10, 4), (9_000, 1), (20_000, 0)])
async def test_large_ones(length: int, kept: int) -> None:
    """Only so many go along as are small, and none if the end itself is large."""
    steps = FakeSteps(model=[answer("x" * length)], pinned=pin())
    loop = AgentLoop(steps, order())
    await loop.run()
    last = list(loop.last_events())
    assert last == steps.events[len(steps.events) - kept :]
