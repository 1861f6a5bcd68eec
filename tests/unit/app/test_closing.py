"""How waits end when the process is about to end."""

import asyncio
import time

import pytest

from outlast_app.closing import Closing

SOON_S = 20


async def _wait(closing: Closing, delay_s: float) -> None:
    async with closing.timeout(delay_s):
        await asyncio.sleep(60)


async def test_waits_end_in_a_moment() -> None:
    """Those that go on and those that begin later end soon, as if their time were over."""
    closing = Closing()
    waiting = [asyncio.create_task(_wait(closing, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    began = time.monotonic()
    closing.begin()
    for task in waiting:
        with pytest.raises(TimeoutError):
            await task
    with pytest.raises(TimeoutError):
        await _wait(closing, 60)
    assert time.monotonic() - began < SOON_S
    assert closing.begun


async def test_what_is_quick_still_comes_through() -> None:
    """What takes milliseconds is not cut."""
    closing = Closing()
    closing.begin()
    async with closing.timeout(60):
        await asyncio.sleep(0.01)


async def test_a_wait_keeps_its_own_time() -> None:
    """A wait whose time is over before is not made longer, and one that ended is let be."""
    closing = Closing()
    async with closing.timeout(60):
        pass
    ended = list[float]()

    async def wait(delay_s: float) -> None:
        with pytest.raises(TimeoutError):
            await _wait(closing, delay_s)
        ended.append(delay_s)

    async with asyncio.TaskGroup() as waits:
        for delay_s in (60, 0.01):
            waits.create_task(wait(delay_s))
        await asyncio.sleep(0)
        closing.begin()
    assert ended == [0.01, 60]
