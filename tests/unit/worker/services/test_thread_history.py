"""Reading what a thread keeps."""

from typing import Any, cast

import pytest

from fakes.records import NOON
from outlast.contract import TakeBackOrder
from outlast_worker.engine.records import StoredMessage
from outlast_worker.services.thread_history import _keep_until, know_digest, read_all
from outlast_worker.services.thread_state import (
    MAX_BYTES,
    NOTHING_SAID,
    Head,
    append,
    extend,
)

EMPTY = Head(created_at=NOON, updated_at=NOON)
SAID = [
    StoredMessage(id=str(index), role="user", content="x" * 30_000, run_id="r", created_at=NOON)
    for index in range(7)
]


class Pages:
    """The state of a thread: its pages."""

    def __init__(self, pages: dict[int, list[StoredMessage]]) -> None:
        self._pages = pages
        self.reads = 0

    def set(self, key: str, value: Any, **_: Any) -> None:
        if key == "head":
            self.head: Head = value
        else:
            self._pages[int(key.removeprefix("page:"))] = value

    def clear(self, key: str) -> None:
        del self._pages[int(key.removeprefix("page:"))]

    async def get(self, key: str, **_: Any) -> list[StoredMessage] | None:
        self.reads += 1
        return self._pages.get(int(key.removeprefix("page:")))


def kept(said: list[StoredMessage]) -> tuple[Head, Pages, Any]:
    head, pages = append(EMPTY, [], said)
    context = Pages(pages)
    return head, context, cast("Any", context)


async def test_only_what_the_head_counts_is_there() -> None:
    """What a handler wrote that was killed before it wrote the head was never said."""
    head, _, _ = kept(SAID[:2])
    _, _, context = kept(SAID)
    assert await read_all(context, head) == SAID[:2]


async def test_a_digest_is_made_where_there_is_none() -> None:
    """The head that an older worker left, or taking back, gets the digest of what is there."""
    head, _, context = kept(SAID)
    left = head.model_copy(update={"digest": None})
    assert left.mark is None
    assert await know_digest(context, left) == head
    assert head.mark == extend(NOTHING_SAID, SAID)


@pytest.mark.parametrize("change", [{}, {"digest": None, "total_bytes": MAX_BYTES + 1}])
async def test_a_digest_is_not_made_in_vain(change: dict[str, Any]) -> None:
    """Nothing is read for a digest that is there, or of what no run can read."""
    head, pages, context = kept(SAID)
    head = head.model_copy(update=change)
    assert await know_digest(context, head) == head
    assert not pages.reads


@pytest.mark.parametrize(
    ("after", "speaker"), [("0", None), ("1", "tech"), ("4", "tech"), ("5", "billing")]
)
async def test_who_took_over_what_is_taken_back(after: str, speaker: str | None) -> None:
    """A handoff that is taken back is not remembered: the one before it is again."""
    handed = {1: "tech", 5: "billing"}
    said = [
        each.model_copy(update={"run_id": "desk.a", "handed_over_to": handed.get(index)})
        for index, each in enumerate(SAID)
    ]
    head, pages, context = kept(said)
    assert head.speakers == {"desk": "billing"}
    assert len(head.page_counts) > 1
    outcome = await _keep_until(context, head, TakeBackOrder(after=after, at=NOON))
    assert outcome == "taken_back"
    assert pages.head.speakers == (speaker and {"desk": speaker})
