"""How a run's committed events are read, whatever their number and size."""

import asyncio
from typing import Any

import pytest

from fakes.watching import REF, Behind, read_to_end
from outlast.contract import EventPage
from outlast.events import TurnStarted
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_worker.services import event_log, state
from outlast_worker.services.event_log import read_events, read_page

RUN = Run(run_id="r", agent="a", status="completed")


async def asked_run() -> Run:
    return RUN


class Context:
    """The state of a run with this many events."""

    def __init__(self, count: int) -> None:
        each = (TurnStarted(run_id="r", seq=seq, turn=seq) for seq in range(1, count + 1))
        self.asked: list[str] = []
        self._state = {state.event(e.seq).key: e.model_dump_json().encode() for e in each}

    async def state_keys(self) -> list[str]:
        return ["run", *sorted(self._state)]

    def get(self, key: str, serde: Any) -> asyncio.Future[bytes | None]:
        self.asked.append(key)
        found = asyncio.get_running_loop().create_future()
        value = self._state.get(key)
        found.set_result(serde.deserialize(value) if value else None)
        return found


async def test_all() -> None:
    """They come in order of their numbers."""
    context: Any = Context(200)
    assert [event.seq for event in await read_events(context)] == list(range(1, 201))


async def test_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower gets each event once, page by page, and only then the end."""
    monkeypatch.setattr(event_log, "_PAGE_BYTES", 1000)
    context: Any = Context(100)
    pages: list[EventPage] = []

    class Restate(Behind):
        async def events(self, _ref: RunRef, after: int, _timeout_s: float) -> EventPage:
            pages.append(await read_page(context, after, asked_run()))
            return pages[-1]

    async with Restate().serving() as events:
        with events.follow(REF, 3) as follower:
            shown = await read_to_end(follower)
    assert [event.seq for event in shown] == list(range(4, 101))
    assert len(pages) > 3
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]


@pytest.mark.parametrize(("count", "after"), [(0, 0), (3, 0), (5, 3), (5, 5), (5, 99)])
async def test_few_are_asked_for_at_once(count: int, after: int) -> None:
    """What is new is mostly little, and then there is one question, asked with the run's."""
    context: Any = Context(count)

    async def asked_run() -> Run:
        assert len(context.asked) == 6
        return RUN

    page = await read_page(context, after, asked_run())
    assert [event.seq for event in page.events] == list(range(after + 1, count + 1))
    assert (page.run, page.more) == (RUN, False)
    assert len(context.asked) == 6
