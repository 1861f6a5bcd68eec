"""Reading what a thread keeps."""

from typing import Any, cast

import pytest

from fakes.records import NOON
from outlast.contract import TakeBackOrder
from outlast_worker.engine.prompt_size import estimate_tokens
from outlast_worker.engine.records import StandIn, StoredMessage
from outlast_worker.services.serde import serde_of
from outlast_worker.services.thread_history import (
    _keep_until,
    know_digest,
    read_after,
    read_said,
)
from outlast_worker.services.thread_state import (
    MAX_BYTES,
    NOTHING_SAID,
    Head,
    append,
    extend,
    in_thread,
    keep_first,
    write,
)
from outlast_worker.services.thread_summary import with_summary

EMPTY = Head(created_at=NOON, updated_at=NOON)
SAID = [
    StoredMessage(id=str(index), role="user", content="x" * 30_000, run_id="r", created_at=NOON)
    for index in range(7)
]


SUMMARY = StoredMessage(id="s", role="user", content="In short: x.", run_id="r", created_at=NOON)


class Pages:
    """The state of a thread: its pages, and a summary of any length."""

    def __init__(self, pages: dict[int, list[StoredMessage]]) -> None:
        self.pages = pages
        self.reads = 0

    def set(self, key: str, value: Any, **_: Any) -> None:
        if key == "head":
            self.head: Head = value
        else:
            self.pages[int(key.removeprefix("page:"))] = value

    def clear(self, key: str) -> None:
        del self.pages[int(key.removeprefix("page:"))]

    async def get(self, key: str, **_: Any) -> Any:
        self.reads += 1
        if key.startswith("summary:"):
            return SUMMARY
        return self.pages.get(int(key.removeprefix("page:")))


def stand_in(covers: int) -> StandIn:
    return StandIn(how="summary", message=SUMMARY, covers=covers)


def summed_up(said: list[StoredMessage], covers: int) -> tuple[Head, Pages, Any]:
    head, pages, context = kept(said)
    return with_summary(head, stand_in(covers), said[covers:]), pages, context


def kept(said: list[StoredMessage]) -> tuple[Head, Pages, Any]:
    head, pages = append(EMPTY, [], said)
    context = Pages(pages)
    return head, context, cast("Any", context)


async def test_only_what_the_head_counts_is_there() -> None:
    """What a handler wrote that was killed before it wrote the head was never said."""
    head, _, _ = kept(SAID[:2])
    _, _, context = kept(SAID)
    assert await read_said(context, head) == SAID[:2]


async def test_a_digest_is_made_where_there_is_none() -> None:
    """The head that an older worker left, or taking back, gets the digest of what is there."""
    head, _, context = kept(SAID)
    left = head.model_copy(update={"digest": None})
    assert left.mark is None
    assert await know_digest(context, left) == head
    assert head.digest == extend(NOTHING_SAID, SAID).digest


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


# A conversation that was summed up.


def test_a_summary_stands_for_what_it_covers() -> None:
    """A run's mark names the summary and what follows; the messages still count."""
    head, _, _ = summed_up(SAID, covers=4)
    assert head.message_count == len(SAID)
    assert head.mark == extend(NOTHING_SAID, [SUMMARY, *SAID[4:]]).model_copy(
        update={"covers": 4, "tokens": head.tokens}
    )


async def test_a_run_reads_from_the_summary_on() -> None:
    """The pages that it covers wholly are not even read."""
    head, pages, context = summed_up(SAID, covers=6)
    assert await read_said(context, head) == [SUMMARY, *SAID[6:]]
    assert pages.reads == 2  # the summary, and the last page
    assert await read_after(context, head, 0, 3) == SAID[:3]


async def test_its_digest_is_made_where_there_is_none() -> None:
    """Of what runs read, as the mark that is handed on with each message."""
    head, _, context = summed_up(SAID, covers=4)
    left = head.model_copy(update={"digest": None})
    assert await know_digest(context, left) == head


def test_messages_that_come_later() -> None:
    """They extend the mark of what runs read."""
    head, pages, _ = summed_up(SAID[:5], covers=4)
    later, _ = append(head, pages.pages[head.open_page or 0], SAID[5:])
    assert later.mark is not None
    assert later.mark.names_same(extend(NOTHING_SAID, [SUMMARY, *SAID[4:]]))


@pytest.mark.parametrize(("kept_count", "left"), [(7, [3, 6]), (6, [3, 6]), (5, [3]), (2, None)])
def test_taking_back_drops_summaries_of_what_is_gone(
    kept_count: int, left: list[int] | None
) -> None:
    """An earlier one counts again, if it covers nothing of that."""
    head, _, _ = summed_up(SAID, covers=3)
    head = with_summary(head, stand_in(6), SAID[6:])
    index, start = 0, 0
    while start + head.page_counts[index] < kept_count:
        start += head.page_counts[index]
        index += 1
    cut = keep_first(head, index, SAID[start:kept_count], SAID[kept_count:], None, NOON)
    assert (cut.summaries and [place.covers for place in cut.summaries]) == left
    assert (cut.digest, cut.message_count) == (None, kept_count)
    place = cut.summary
    covers = place.covers if place else 0
    read = [*([SUMMARY] if covers else []), *SAID[covers:kept_count]]
    assert cut.read_bytes == sum(len(write(message)) for message in read)


def test_what_is_replaced_has_no_summary() -> None:
    """Nothing is left of a conversation in whose place another one comes."""
    head, _, _ = summed_up(SAID, covers=4)
    assert head.without_messages().mark == NOTHING_SAID


def test_a_summary_of_a_summary() -> None:
    """It covers what that one did, and all that a run has read since."""
    of_run = stand_in(3)  # the summary, and two messages
    assert in_thread(of_run, covered=40).covers == 42
    assert in_thread(of_run, covered=40).message.stands_for == 42
    assert in_thread(of_run, covered=0).covers == 3


def test_a_conversation_that_is_too_long_is_readable_with_a_summary() -> None:
    """Only what runs read has to have room in a journal."""
    large = SAID[0].model_copy(update={"content": "x" * MAX_BYTES})
    head, _ = append(EMPTY, [], [large, *SAID[1:]])
    assert head.mark is None
    assert with_summary(head, stand_in(1), SAID[1:]).mark is not None


def test_what_a_newer_worker_has_put_into_the_head_stays() -> None:
    """An older worker that writes it again loses nothing of it."""
    newer = Head.model_validate({**EMPTY.model_dump(), "pinned_by": {"key": "acme"}})
    head, _ = append(newer, [], SAID[:1])
    written = serde_of(Head).serialize(head.pass_on(NOON, None))
    assert serde_of(Head).parse(written).model_dump()["pinned_by"] == {"key": "acme"}


def test_how_long_it_is_for_models() -> None:
    """What is added is estimated; nobody knows of an older thread before a run has counted."""
    head, _ = append(EMPTY, [], SAID[:1])
    assert head.tokens == estimate_tokens(SAID[:1])
    older = head.model_copy(update={"tokens": None})
    assert append(older, SAID[:1], SAID[1:2])[0].tokens is None
