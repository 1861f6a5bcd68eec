"""What a thread keeps: its holder, the line, and pages of messages."""

from typing import Any

import pytest

from fakes.steps import NOON, after
from outlast_worker.engine.records import StoredMessage
from outlast_worker.services.thread_state import (
    PAGE_BYTES,
    Head,
    ThreadRun,
    append,
    keep_first,
    pages_with,
)

EMPTY = Head(created_at=NOON, updated_at=NOON)


def run(name: str) -> ThreadRun:
    return ThreadRun(run_id=name, agent="a", tenant="t", invocation_id=f"inv_{name}", body_hash="h")


def line_of(head: Head) -> list[str]:
    here = [head.holder, *head.queue] if head.holder else head.queue
    return [waiting.run_id for waiting in here]


def message(number: int, chars: int = 10) -> StoredMessage:
    return StoredMessage(
        id=str(number), role="user", content="x" * chars, run_id="r", created_at=NOON
    )


# The holder and the line.


def test_order_of_acceptance() -> None:
    """The first run holds the thread, the others follow in the order in which they came."""
    head = EMPTY.enter(run("a")).enter(run("b")).enter(run("c"))
    assert line_of(head) == ["a", "b", "c"]
    assert [head.is_held_by(name) for name in "abc"] == [True, False, False]
    head = head.pass_on(after(5))
    assert line_of(head) == ["b", "c"]
    assert head.updated_at == after(5)
    assert line_of(head.pass_on(None).pass_on(None)) == []
    assert head.pass_on(None).updated_at == after(5)


def test_leaving_the_line() -> None:
    """A run that waits may go; one that is not there changes nothing."""
    head = EMPTY.enter(run("a")).enter(run("b")).enter(run("c"))
    assert line_of(head.leave_line("b")) == ["a", "c"]
    assert head.leave_line("z") == head


def test_find() -> None:
    """A run is found where it holds the thread and where it waits."""
    head = EMPTY.enter(run("a")).enter(run("b"))
    assert [bool(head.find(name)) for name in "abc"] == [True, True, False]
    assert EMPTY.find("a") is None
    assert not EMPTY.is_held_by("")


# Pages.


@pytest.mark.parametrize(
    "runs",
    [
        [[]],
        [[10]],
        [[10, 10], [10]],
        [[PAGE_BYTES], [10]],
        [[PAGE_BYTES * 3, 10, 10]],
        [[PAGE_BYTES // 2] * 7],
        [[PAGE_BYTES // 2], [], [PAGE_BYTES // 3] * 5, [10] * 40],
        [[1000] * 70, [1000] * 70],
    ],
    ids=range(8),
)
def test_append(runs: list[list[int]]) -> None:
    """However runs write, all messages stand in their order, and full pages are left alone."""
    head, pages, said = EMPTY, dict[int, list[StoredMessage]](), list[StoredMessage]()
    for sizes in runs:
        items = [message(len(said) + n, chars) for n, chars in enumerate(sizes)]
        said += items
        full = {index: page for index, page in pages.items() if index != head.open_page}
        open_page = [] if head.open_page is None else pages[head.open_page]
        head, written = append(head, open_page, items)
        assert not full.keys() & written.keys()
        assert bool(written) == bool(items)
        pages |= written
        assert head.page_counts == [len(pages[index]) for index in range(len(pages))]
        assert [m for index in sorted(pages) for m in pages[index]] == said
        assert head.message_count == len(said)
    for page in pages.values():
        sizes = [len(m.model_dump_json()) for m in page]
        assert sum(sizes[:-1]) < PAGE_BYTES


def test_append_changes_nothing_given() -> None:
    """The open page that was read stays as it is: only what is returned is written."""
    page = [message(1)]
    head, written = append(EMPTY, [], page)
    append(head, written[0], [message(2)])
    assert page == [message(1)]
    assert written == {0: [message(1)]}


COUNTS: list[Any] = [[], [1], [3, 4, 5], [1, 1, 1, 1], [7, 1, 7]]


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_with(counts: list[int], limit: int) -> None:
    """From any place on, the pages read hold what was asked for, and none is read in vain."""
    pages: list[list[int]] = []
    for count in counts:
        start = sum(len(page) for page in pages)
        pages.append(list(range(start, start + count)))
    everything = [item for page in pages for item in page]
    for after_ in range(len(everything) + 2):
        indexes, skipped = pages_with(counts, after_, limit)
        read = [item for index in indexes for item in pages[index]]
        start = after_ - skipped
        wanted = everything[after_ : after_ + limit]
        assert read[start : start + limit] == wanted
        assert all(set(pages[index]) & set(wanted) for index in indexes)


def test_taking_back() -> None:
    """The head of a conversation cut short is that of one that never was longer."""
    said = [message(number, chars=PAGE_BYTES // 3) for number in range(10)]
    long, pages = append(EMPTY, [], said)
    short, _ = append(EMPTY, [], said[:6])
    index = len(short.page_counts) - 1
    kept = pages[index][: short.page_counts[index]]
    assert keep_first(long, index, kept, said[6:], EMPTY.updated_at) == short
