"""Answers as they grow, and what tools report of their progress."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from outlast.live import Delta, LiveItem, Progress, Reset, write_line
from outlast_worker.live.hub import LiveHub, Watcher

NEVER_S = 3600


def texts(watcher: Watcher) -> list[str]:
    """Read what is new."""
    return of_text(watcher.read())


def of_text(items: Sequence[LiveItem]) -> list[str]:
    assert all(isinstance(item, Reset | Delta) for item in items)
    return [item.text for item in items if isinstance(item, Delta)]


async def test_an_answer_as_it_grows() -> None:
    """Its first piece is shown at once, and what comes soon after in one heap."""
    hub = LiveHub(interval_s=NEVER_S)
    with hub.running("key", "run"), hub.watch("key") as watcher:
        answer = hub.begin("key", 1)
        assert texts(watcher) == []
        answer.add("text", "one ")
        assert texts(watcher) == ["one "]
        answer.add("text", "two ")
        answer.add("text", "three ")
        assert texts(watcher) == []
        answer.end()
        assert texts(watcher) == ["two three "]


async def test_answers_side_by_side() -> None:
    """What waits is shown soon, of each; after a pause the next piece is shown at once again."""
    hub = LiveHub(interval_s=0)
    with (
        hub.running("a", "a"),
        hub.running("b", "b"),
        hub.watch("a") as one,
        hub.watch("b") as other,
    ):
        answers = hub.begin("a", 1), hub.begin("b", 1)
        assert (texts(one), texts(other)) == ([], [])
        for answer in answers:
            answer.add("text", "first ")
        assert (texts(one), texts(other)) == (["first "], ["first "])
        for answer in answers:
            answer.add("text", "second ")
        assert (texts(one), texts(other)) == ([], [])
        assert of_text(await one.next()) == ["second "]
        assert texts(other) == ["second "]
        await wait_for_silence(hub)
        for answer in answers:
            answer.add("text", "third")
        assert (texts(one), texts(other)) == (["third"], ["third"])


async def wait_for_silence(hub: LiveHub) -> None:
    while hub._beat._growing:  # noqa: ASYNC110  # nobody else waits for it
        await asyncio.sleep(0)


async def test_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The more of them grow, the rarer they are shown: all in all 1,500 times a second."""
    timers: list[tuple[float, Callable[[], None]]] = []
    hub = LiveHub(interval_s=0.03)
    with ExitStack() as runs:
        for run_id in map(str, range(300)):
            runs.enter_context(hub.running(run_id, run_id))
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "call_later", lambda *timer: timers.append(timer))
        answers = [hub.begin(str(number), 1) for number in range(300)]
        for answer in answers:
            answer.add("text", "first ")
            answer.add("text", "second ")
        [(delay_s, show)] = timers
        assert delay_s == 0.03
        show()
        assert timers[1][0] == pytest.approx(0.2)
        monkeypatch.undo()


async def test_a_successor_of_an_answer() -> None:
    """A call that goes on though its attempt has ended says nothing more."""
    hub = LiveHub(interval_s=NEVER_S)
    with hub.running("key", "run"), hub.watch("key") as watcher:
        old = hub.begin("key", 1)
        assert texts(watcher) == []
        old.add("text", "old ")
        hub.begin("key", 1).add("text", "new ")
        old.add("text", "more ")
        old.end()
        assert texts(watcher) == ["new "]


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
