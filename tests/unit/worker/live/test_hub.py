"""What tools report of their progress, and what becomes of reports that no JSON can carry."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from outlast.events import ToolCallProgress
from outlast.live import LIVE_ITEM
from outlast_worker.live.hub import LiveHub


@pytest.mark.parametrize(
    ("done", "total"),
    [(float("nan"), None), (float("inf"), None), (1, float("nan")), ("x", None), (10**400, None)],
)
async def test_progress_that_is_no_number(done: Any, total: float | None) -> None:
    """It is left out, so that it breaks neither the tool nor anybody's stream."""
    hub = LiveHub(interval_s=0)
    with hub.running("key", "run"):
        report = hub.make_reporter("key", "run", "1.0")
        report(done, total, None)
        report(2, 4, "half")
        await asyncio.sleep(0)  # reports come from any thread, by the loop
        async with aclosing(hub.watch("key", "run")) as watching:
            first = await anext(watching)
    [progress] = [item for item in first if isinstance(item, ToolCallProgress)]
    assert (progress.done, progress.total) == (2, 4)


async def test_progress_with_half_a_character() -> None:
    """A name of a file may have bytes that are no text."""
    hub = LiveHub(interval_s=0)
    with hub.running("key", "run"):
        hub.make_reporter("key", "run", "1.0")(1, None, "caf\udce9.txt")
        await asyncio.sleep(0)
        async with aclosing(hub.watch("key", "run")) as watching:
            [progress] = await anext(watching)
    assert "caf\ufffd.txt" in LIVE_ITEM.dump_json(progress).decode()
