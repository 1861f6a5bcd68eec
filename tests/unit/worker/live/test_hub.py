"""What tools report of their progress, and what becomes of reports that no JSON can carry."""

import asyncio
from typing import Any

import pytest

from outlast.live import Progress, write_line
from outlast_worker.live.hub import LiveHub


@pytest.mark.parametrize(
    ("done", "total"),
    [(float("nan"), None), (float("inf"), None), (1, float("nan")), ("x", None), (10**400, None)],
)
async def test_progress_that_is_no_number(done: Any, total: float | None) -> None:
    """It is left out, so that it breaks neither the tool nor anybody's stream."""
    hub = LiveHub(interval_s=0)
    with hub.running("key", "run"):
        report = hub.make_reporter("key", "1.0")
        report(done, total, None)
        report(2, 4, "half")
        await asyncio.sleep(0)  # reports come from any thread, by the loop
        with hub.watch("key") as watcher:
            first = await watcher.next()
    [progress] = [item for item in first if isinstance(item, Progress)]
    assert (progress.done, progress.total) == (2, 4)


async def test_progress_with_half_a_character() -> None:
    """A name of a file may have bytes that are no text."""
    hub = LiveHub(interval_s=0)
    with hub.running("key", "run"):
        hub.make_reporter("key", "1.0")(1, None, "caf\udce9.txt")
        await asyncio.sleep(0)
        with hub.watch("key") as watcher:
            [progress] = await watcher.next()
    assert "caf\ufffd.txt" in write_line("run", progress).decode()


async def test_memory_of_a_run_that_nobody_watches_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is gone with the last who ran or watched it."""
    monkeypatch.setattr("outlast_worker.live.hub._KEPT_S", 0)
    hub = LiveHub(interval_s=0)
    with hub.watch("key") as watcher, hub.running("key", "run"):
        answer = hub.begin("key", 1)
        answer.add("text", "word")
        answer.end()
        await watcher.next()
        assert hub.partial_answer("key", 1) == "word"
    await asyncio.sleep(0.01)
    assert hub.partial_answer("key", 1) == ""
    assert not hub._previews
