"""Steps in flight, and how they are broken off."""

import asyncio

import pytest

from fakes.records import result
from outlast_worker.engine.operations import RunTool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import UNFINISHED, ToolRecord
from outlast_worker.inflight import Inflight
from outlast_worker.tools.effects import Effects

CALL = PlannedCall(turn=1, call_id="1.0", name="pay", arguments={}, known=True)
PAY = RunTool(CALL)


async def never() -> ToolRecord:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def start(inflight: Inflight, *above: str) -> asyncio.Task[ToolRecord]:
    """Start a step that does not end by itself, and return when it runs."""
    step = asyncio.create_task(inflight.run("run", PAY, never, above))
    await asyncio.sleep(0)
    return step


async def test_result():
    """A step that is left alone gives its own result."""

    async def pay() -> ToolRecord:
        return result("paid")

    assert await Inflight(Effects()).run("run", PAY, pay) == result("paid")


async def test_abort_again_and_again():
    """A step that is broken off gives its value, however often it is broken off."""
    inflight = Inflight(Effects())
    step = await start(inflight)
    for _ in range(5):
        inflight.abort("run")
        await asyncio.sleep(0.02)
    inflight.drop("run")
    assert (await step).output == UNFINISHED


async def test_drop():
    """A step for which nobody waits any more just ends."""
    inflight = Inflight(Effects())
    step = await start(inflight)
    inflight.drop("run")
    with pytest.raises(asyncio.CancelledError):
        await step


async def test_other_runs_go_on():
    """Only this run's steps are broken off."""
    inflight = Inflight(Effects())
    step = await start(inflight)
    inflight.abort("another run")
    await asyncio.sleep(0.02)
    assert not step.done()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step


async def test_runs_below():
    """Broken off, a run takes along what it has called, at any depth; dropped, it does not."""
    inflight = Inflight(Effects())
    step = await start(inflight, "first", "second")
    inflight.drop("first")
    await asyncio.sleep(0.02)
    assert not step.done()
    inflight.abort("first")
    assert (await step).output == UNFINISHED
    inflight.abort("second")  # nothing is left of it
