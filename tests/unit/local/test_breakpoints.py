"""While a debugger's prompt is open, the event loop's clock stands."""

import asyncio
import threading
import time

import pytest

from outlast_local.breakpoints import CLOCK, PausingLoop, StandingClock


def test_the_clock() -> None:
    """It goes on from where it stood."""
    clock = StandingClock()
    started = time.monotonic()
    with clock.standing():
        began = clock()
        time.sleep(0.05)
        assert clock() == began
    assert 0 <= clock() - began <= time.monotonic() - started - 0.05


def test_prompts_take_turns() -> None:
    """Two prompts at once would read each other's lines."""
    clock, second = StandingClock(), threading.Event()

    def stop_too() -> None:
        with clock.standing():
            second.set()

    other = threading.Thread(target=stop_too)
    with clock.standing():
        other.start()
        assert not second.wait(0.1)
    other.join()
    assert second.is_set()


def test_a_timeout_that_stands() -> None:
    """A timeout does not run out while somebody looks around in a thread, and does afterwards."""

    async def wait() -> float:
        entered, leave = threading.Event(), threading.Event()

        def look_around() -> None:
            with CLOCK.standing():
                entered.set()
                leave.wait()

        looking = asyncio.create_task(asyncio.to_thread(look_around))
        await asyncio.to_thread(entered.wait)
        began = time.monotonic()
        threading.Timer(0.5, leave.set).start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)
        took_s = time.monotonic() - began
        await looking
        return took_s

    with asyncio.Runner(loop_factory=PausingLoop) as runner:
        assert runner.run(wait()) >= 0.5
