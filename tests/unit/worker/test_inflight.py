"""Steps in flight, and how they are broken off."""

import asyncio

import pytest

from outlast_worker.inflight import Inflight


async def never() -> str:
    await asyncio.Event().wait()
    return "never"


async def start(inflight: Inflight) -> asyncio.Task[str]:
    """Start a step that does not end by itself, and return when it runs."""
    step = asyncio.create_task(inflight.run("run", never, lambda: "aborted"))
    await asyncio.sleep(0)
    return step


async def test_result():
    """A step that is left alone gives its own result."""

    async def action() -> str:
        return "result"

    assert await Inflight().run("run", action, lambda: "aborted") == "result"


async def test_abort_again_and_again():
    """A step that is broken off gives its value, however often it is broken off."""
    inflight = Inflight()
    step = await start(inflight)
    for _ in range(5):
        inflight.abort("run")
        await asyncio.sleep(0.02)
    inflight.drop("run")
    assert await step == "aborted"


async def test_drop():
    """A step for which nobody waits any more just ends."""
    inflight = Inflight()
    step = await start(inflight)
    inflight.drop("run")
    with pytest.raises(asyncio.CancelledError):
        await step


async def test_other_runs_go_on():
    """Only this run's steps are broken off."""
    inflight = Inflight()
    step = await start(inflight)
    inflight.abort("another run")
    await asyncio.sleep(0.02)
    assert not step.done()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
