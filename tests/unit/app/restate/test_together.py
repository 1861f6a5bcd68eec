"""Many who look something up at once cost one query."""

import asyncio
from collections.abc import Mapping, Sequence

from outlast.errors import AdminUnavailable
from outlast_app.restate.together import Together


class Table:
    """Rows by number; a query takes until it is let go."""

    def __init__(self) -> None:
        self.queries: list[list[int]] = []
        self.let_go = asyncio.Event()
        self.fault: AdminUnavailable | None = None

    async def query(self, keys: Sequence[int]) -> Mapping[int, str]:
        self.queries.append(list(keys))
        await self.let_go.wait()
        if self.fault:
            raise self.fault
        return {key: f"row {key}" for key in keys if key % 2 == 0}


async def test_one_query_for_all_who_ask_meanwhile() -> None:
    """Who comes while a query is under way shares the next one, whatever they ask for."""
    table = Table()
    lookup = Together(table.query)
    first = asyncio.create_task(lookup.of(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(lookup.of(key)) for key in [*range(1, 100), 2]]
    await asyncio.sleep(0)
    table.let_go.set()
    assert await first == "row 0"
    answers = await asyncio.gather(*others)
    assert answers == [None if key % 2 else f"row {key}" for key in [*range(1, 100), 2]]
    assert table.queries == [[0], list(range(1, 100))]
    assert await lookup.of(4) == "row 4"


async def test_who_gives_up_takes_nobody_along() -> None:
    """One of those who ask may go; the others get their answer."""
    table = Table()
    lookup = Together(table.query)
    gone, stays = asyncio.create_task(lookup.of(2)), asyncio.create_task(lookup.of(2))
    await asyncio.sleep(0)
    gone.cancel()
    table.let_go.set()
    assert await stays == "row 2"


async def test_a_query_that_fails() -> None:
    """All who share it hear of it, and the next one is tried again."""
    table = Table()
    lookup = Together(table.query)
    table.let_go.set()
    table.fault = AdminUnavailable("away")
    failed = await asyncio.gather(lookup.of(1), lookup.of(2), return_exceptions=True)
    assert failed == [table.fault, table.fault]
    table.fault = None
    assert await lookup.of(2) == "row 2"
