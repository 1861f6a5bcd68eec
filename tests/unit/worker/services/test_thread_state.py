"""What a thread keeps: its holder, the line, and pages of messages."""

from typing import Any

import pytest

from fakes.records import NOON, after
from outlast_worker.engine.records import StoredMessage
from outlast_worker.services.thread_state import (
    MAX_BYTES,
    NOTHING_SAID,
    PAGE_BYTES,
    Head,
    ThreadRun,
    append,
    extend,
    keep_first,
    pages_with,
    write,
)

EMPTY = Head(created_at=NOON, updated_at=NOON)


def run(name: str) -> ThreadRun:
    return ThreadRun(run_id=name, agent="a", tenant="t", invocation_id=f"inv_{name}", body_hash="h")


def message(number: int, chars: int = 10) -> StoredMessage:
    return StoredMessage(
        id=str(number), role="user", content="x" * chars, run_id="r", created_at=NOON
    )


# The holder and the line.


def test_numbers_in_line() -> None:
    """The first run holds the thread, the others are numbered in the order in which they came."""
    head, number = EMPTY.enter(run("a"))
    assert (head.holder, number, head.waiting) == (run("a"), None, 0)
    numbers = list[int | None]()
    for name in "bcd":
        head, number = head.enter(run(name))
        numbers.append(number)
    assert (numbers, head.waiting) == ([0, 1, 2], 3)
    assert [head.is_held_by(name) for name in "abc"] == [True, False, False]
    assert not EMPTY.is_held_by("")


def test_interruptions_come_first() -> None:
    """A run that interrupts comes before all that wait, those that interrupted before it, too."""
    head, _ = EMPTY.enter(run("a"))
    numbers = list[int]()
    for interrupts in (False, True, True, False):
        head, number = head.enter(run("x").model_copy(update={"interrupts": interrupts}))
        assert number is not None
        numbers.append(number)
    _, earlier, last, _ = numbers
    assert sorted(numbers) == [last, earlier, numbers[0], numbers[3]]
    assert (head.first, head.after_last) == (last, numbers[3] + 1)


def test_passing_on() -> None:
    """The next in line holds the thread; the line is empty behind the last one."""
    head, _ = EMPTY.enter(run("a"))
    for name in "bc":
        head, _ = head.enter(run(name))
    head = head.pass_on(after(5), (0, run("b")))
    assert (head.holder, head.first, head.waiting) == (run("b"), 1, 1)
    assert head.updated_at == after(5)
    head = head.pass_on(None, (1, run("c"))).pass_on(None, None)
    assert (head.holder, head.first, head.after_last, head.waiting) == (None, 2, 2, 0)
    assert head.updated_at == after(5)


def test_leaving_the_line() -> None:
    """A run that goes leaves a gap, or a shorter line."""
    head, _ = EMPTY.enter(run("a"))
    for name in "bcd":
        head, _ = head.enter(run(name))
    gap = head.leave(1)
    assert (gap.first, gap.after_last, gap.waiting) == (0, 3, 2)
    assert (gap.leave(0).first, gap.leave(0).waiting) == (1, 1)


def test_full_line() -> None:
    """A line takes as many as it may have, and a thousand if nobody says how many."""
    head, _ = EMPTY.enter(run("a"))
    assert [head.is_full(limit) for limit in (0, 1, None)] == [True, False, False]
    head, _ = head.enter(run("b"))
    assert [head.is_full(limit) for limit in (1, 2, None)] == [True, False, False]
    assert head.model_copy(update={"waiting": 1000}).is_full(None)


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
        sizes = [len(write(m)) for m in page]
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
    """The head of a conversation cut short is that of one that never was longer.

    But for its digest and its length for models, which have to be made anew.
    """
    said = [message(number, chars=PAGE_BYTES // 3) for number in range(10)]
    long, pages = append(EMPTY, [], said)
    short, _ = append(EMPTY, [], said[:6])
    index = len(short.page_counts) - 1
    kept = pages[index][: short.page_counts[index]]
    cut = keep_first(long, index, kept, said[6:], None, EMPTY.updated_at)
    assert cut == short.model_copy(update={"digest": None, "tokens": None})
    assert cut.mark is None


# Who took over.


def handoff(number: int, to: str, run_id: str = "desk.a") -> StoredMessage:
    """Make the result of a call by which a run was handed over."""
    update = {"role": "tool", "run_id": run_id, "handed_over_to": to}
    return message(number).model_copy(update=update)


def test_who_took_over() -> None:
    """The last one counts, for each agent that was asked; other messages change nothing."""
    head, _ = append(EMPTY, [], [message(1)])
    assert head.speakers is None
    head, _ = append(head, [], [handoff(2, "billing"), handoff(3, "tech"), handoff(4, "x", "y.a")])
    head, _ = append(head, [], [message(5)])
    assert head.speakers == {"desk": "tech", "y": "x"}
    head, _ = append(head, [], [handoff(6, "desk", "desk.b")])
    assert head.speakers == {"desk": "desk", "y": "x"}
    assert head.without_messages().speakers is None


# Marks.


def test_a_mark_follows_from_what_was_said() -> None:
    """However runs wrote it, a conversation has the mark of all its messages."""
    said = [message(number, chars=PAGE_BYTES // 3) for number in range(10)]
    head, pages = EMPTY, dict[int, list[StoredMessage]]()
    for items in (said[:1], [], said[1:7], said[7:]):
        head, written = append(head, pages.get(head.open_page or 0, []), items)
        pages |= written
    assert EMPTY.mark == NOTHING_SAID
    mark = extend(NOTHING_SAID, said)
    assert head.mark is not None
    assert head.mark.names_same(mark)
    assert (mark.messages, mark.bytes) == (10, sum(len(write(each)) for each in said))


OTHER_WORDS: dict[str, list[StoredMessage]] = {
    "another word": [message(1), message(3)],
    "another order": [message(2), message(1)],
    "one less": [message(1)],
    "one more": [message(1), message(2), message(3)],
    "refused": [message(1), message(2).model_copy(update={"refused": "content-policy"})],
}


@pytest.mark.parametrize("words", OTHER_WORDS)
def test_other_words_have_another_mark(words: str) -> None:
    """No two conversations that differ have the same mark."""
    mark = extend(NOTHING_SAID, [message(1), message(2)])
    assert extend(NOTHING_SAID, OTHER_WORDS[words]) != mark


def test_what_can_not_be_read_has_no_mark() -> None:
    """A run that is to be told that its conversation is too long has to ask for it."""
    head, _ = append(EMPTY, [], [message(1, chars=MAX_BYTES)])
    assert head.mark is None
    assert append(head, [], [message(2)])[0].mark is None


def test_a_head_of_an_older_worker_has_no_mark() -> None:
    """What an older worker has written, or written again, says nothing of what was said."""
    head, _ = append(EMPTY, [], [message(1)])
    older = head.model_dump(exclude={"digest"})
    assert Head.model_validate(older).mark is None


def test_the_last_run() -> None:
    """A thread knows which run it has taken last, whether that holds it or waits."""
    head, _ = EMPTY.enter(run("a"))
    assert head.last_run == "a"
    head, _ = head.enter(run("b"))
    assert head.last_run == "b"
    assert head.pass_on(NOON, None).last_run == "b"


def test_a_conversation_that_is_replaced() -> None:
    """What comes in place of a conversation is counted as if nothing had been said before."""
    head, _ = append(EMPTY, [], [message(number, 40_000) for number in range(5)])
    assert len(head.page_counts) > 1
    replaced, written = append(head.without_messages(), [], [message(9)])
    once, _ = append(EMPTY, [], [message(9)])
    assert (replaced.page_counts, replaced.digest) == ([1], once.digest)
    assert (replaced.total_bytes, list(written)) == (once.total_bytes, [0])
