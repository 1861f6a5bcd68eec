"""Entering and leaving the agents' lifespan: in one task, in time, with words for faults."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from outlast import DefinitionError
from outlast_worker.lifespan import LifespanError, LifespanHolder

WAIT_S = 10


def logged(logs: list[Any], event: str) -> Any:
    [entry] = [entry for entry in logs if entry["event"] == event]
    return entry


async def test_without_a_lifespan() -> None:
    """There is nothing to enter, and tools get None."""
    holder = LifespanHolder(None, asyncio.Event())
    assert await holder.enter() is None
    await holder.leave(WAIT_S)


async def test_resources_are_there_until_the_end() -> None:
    """What it yields is handed out; it is left once, in the task in which it was entered."""
    tasks: list[Any] = []

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[str]:
        async with asyncio.TaskGroup():  # can't be left in another task
            tasks.append(asyncio.current_task())
            yield "pool"
            tasks.append(asyncio.current_task())

    holder = LifespanHolder(lifespan, asyncio.Event())
    assert await holder.enter() == "pool"
    assert len(tasks) == 1
    await holder.leave(WAIT_S)
    assert tasks[0] is tasks[1]
    assert tasks[0].get_name().endswith("lifespan")


async def test_entry_that_fails() -> None:
    """The error has the author's part of the trace, and a line that says what came of it."""

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        raise KeyError("SHOP_TOKEN")
        yield

    with pytest.raises(LifespanError) as raised:
        await LifespanHolder(lifespan, asyncio.Event()).enter()
    *trace, last = str(raised.value).splitlines()
    assert "lifespan failed, so the worker does not serve." in last
    assert "KeyError: 'SHOP_TOKEN'" in trace
    assert 'raise KeyError("SHOP_TOKEN")' in str(raised.value)
    assert [line for line in trace if "File " in line and __file__ not in line] == []


async def test_entry_that_fails_by_being_cancelled() -> None:
    """A cancellation from inside is not taken for the worker's own end."""

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        raise asyncio.CancelledError
        yield

    with pytest.raises(LifespanError, match="cancelled from inside"):
        await LifespanHolder(lifespan, asyncio.Event()).enter()


async def test_nothing_to_enter() -> None:
    """A function that returns something else is refused with the way to mend it."""

    def lifespan() -> Any:
        return 5

    with pytest.raises(DefinitionError, match="write `@asynccontextmanager`"):
        await LifespanHolder(lifespan, asyncio.Event()).enter()


async def test_entry_that_hangs_is_named() -> None:
    """The log says again and again what the worker waits for."""
    told = asyncio.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        await asyncio.wait_for(told.wait(), WAIT_S)
        yield

    holder = LifespanHolder(lifespan, asyncio.Event(), slow_after_s=0.01)
    with capture_logs() as logs:
        entering = asyncio.create_task(holder.enter())
        async with asyncio.timeout(WAIT_S):
            while len(logs) < 2:  # noqa: ASYNC110  # logging tells nobody
                await asyncio.sleep(0.005)
        told.set()
        await entering
    await holder.leave(WAIT_S)
    first, second = logs[:2]
    assert first["event"] == second["event"] == "lifespan_enters_slowly"
    assert first["lifespan"].endswith("lifespan")
    assert logged(logs, "lifespan_entered")["took_s"] >= 0.02


async def test_told_to_stop_while_entering() -> None:
    """SIGTERM does not wait for the entry."""
    stop, cleaned = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        try:
            await asyncio.Event().wait()
            yield
        finally:
            cleaned.set()

    holder = LifespanHolder(lifespan, stop)
    asyncio.get_running_loop().call_soon(stop.set)
    assert await asyncio.wait_for(holder.enter(), WAIT_S) is None
    await holder.leave(WAIT_S)
    assert cleaned.is_set()


async def test_exit_that_fails() -> None:
    """Its error is logged, and the worker ends as it would have."""

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield
        raise OSError("the pool would not close")

    holder = LifespanHolder(lifespan, asyncio.Event())
    await holder.enter()
    with capture_logs() as logs:
        await holder.leave(WAIT_S)
    entry = logged(logs, "lifespan_failed")
    assert (entry["log_level"], entry["exc_info"]) == ("error", True)


async def test_exit_that_hangs() -> None:
    """It gets its grace and is cancelled then; the log has its name."""
    cancelled = asyncio.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        yield
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    holder = LifespanHolder(lifespan, asyncio.Event())
    await holder.enter()
    with capture_logs() as logs:
        await asyncio.wait_for(holder.leave(0.01), WAIT_S)
    assert logged(logs, "lifespan_cut_off")["lifespan"].endswith("lifespan")
    await asyncio.wait_for(cancelled.wait(), WAIT_S)


async def test_end_while_the_worker_serves() -> None:
    """Without its resources the worker does not go on: it stops, and says why."""
    stop, broken = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(_break(broken))
            yield

    async def _break(when: asyncio.Event) -> None:
        await when.wait()
        raise ConnectionError("the broker went away")

    holder = LifespanHolder(lifespan, stop)
    await holder.enter()
    with capture_logs() as logs:
        broken.set()
        await asyncio.wait_for(stop.wait(), WAIT_S)
        with pytest.raises(LifespanError, match="lifespan ended, so the worker can't serve"):
            await holder.leave(WAIT_S)
    assert logged(logs, "lifespan_failed")["log_level"] == "error"
