"""What one follower sees of what all share, however fast it reads."""

import json
from typing import Any

from fakes.watching import RUN_ID, completed, heard, queued, said, started, turn_started
from outlast.events import ToolCallCompleted
from outlast.live import Committed, Delta, Progress, Reset, Snapshot
from outlast_app.runs.feed import FeedCursor, RunFeed


def feed_of(*items: Any) -> RunFeed:
    feed = RunFeed(RUN_ID)
    show(feed, *items)
    return feed


def show(feed: RunFeed, *items: Any) -> None:
    for item in items:
        feed.show(heard(item))


def deltas(*texts: str, begin: int = 0) -> list[Delta]:
    return [Delta("text", 1, 7, n, text) for n, text in enumerate(texts, start=begin)]


def read(cursor: FeedCursor) -> list[tuple[str, Any]]:
    """Return the types and texts of what is new."""
    events = [json.loads(event.data) for event in cursor.read()]
    assert all(event["run_id"] == RUN_ID for event in events)
    return [(event["type"], event.get("text")) for event in events]


def test_as_it_comes() -> None:
    """Who keeps up sees each piece, once."""
    feed = feed_of()
    cursor = FeedCursor(feed, 0)
    show(feed, Reset(1, 7), *deltas("one "))
    assert read(cursor) == [("message.reset", None), ("message.delta", "one ")]
    show(feed, *deltas("two", begin=1))
    assert read(cursor) == [("message.delta", "two")]
    assert read(cursor) == []


def test_who_comes_late() -> None:
    """They get all there is in one piece, then the rest."""
    feed = feed_of(Reset(1, 7), *deltas("one ", "two "))
    cursor = FeedCursor(feed, 0)
    assert read(cursor) == [("message.snapshot", "one two ")]
    show(feed, *deltas("three", begin=2))
    assert read(cursor) == [("message.delta", "three")]


def test_who_is_slow() -> None:
    """They get all there is in one piece, too; nothing is kept for them."""
    feed = feed_of()
    cursor = FeedCursor(feed, 0)
    show(feed, Reset(1, 7))
    read(cursor)
    words = [f"{n} " for n in range(1000)]
    show(feed, *deltas(*words))
    [(kind, text)] = read(cursor)
    assert (kind, text) == ("message.snapshot", "".join(words))
    assert feed.answer
    assert len(feed.answer.recent) == 200
    show(feed, *deltas("more", begin=1000))
    assert read(cursor) == [("message.delta", "more")]


def test_channel_that_says_it_again() -> None:
    """What is known is not shown twice, and what was missed is made up for."""
    feed = feed_of()
    cursor = FeedCursor(feed, 0)
    show(feed, Reset(1, 7), *deltas("one ", "two "))
    read(cursor)
    show(feed, Reset(1, 7), *deltas("one ", "two "), Snapshot(1, 7, 2, "one two ", ""))
    assert read(cursor) == []
    show(feed, Snapshot(1, 7, 4, "one two three four ", "hm"), *deltas("five", begin=4))
    assert read(cursor) == [("message.snapshot", "one two three four five")]


def test_model_call_that_is_repeated() -> None:
    """A new attempt voids the one before, for each follower."""
    feed = feed_of()
    cursor = FeedCursor(feed, 0)
    show(feed, Reset(1, 7), *deltas("wrong"))
    read(cursor)
    show(feed, Reset(1, 8), *deltas(" and late", begin=1), Delta("text", 1, 8, 0, "right"))
    assert read(cursor) == [("message.reset", None), ("message.delta", "right")]


def test_what_is_committed_settles_previews() -> None:
    """Nothing is shown of an answer whose message is committed."""
    feed = feed_of(Reset(1, 7), *deltas("one"))
    feed.commit([queued(1), started(2), turn_started(3), said(4)])
    cursor = FeedCursor(feed, 2)
    show(feed, *deltas("two", begin=1), Reset(1, 8), Reset(2, 9))
    kinds = [kind for kind, _ in read(cursor)]
    assert kinds == ["turn.started", "message.completed", "message.reset"]


def test_progress() -> None:
    """The last word on each call is shown, until the call has ended."""
    feed = feed_of()
    cursor = FeedCursor(feed, 0)
    show(feed, Progress("1.0", 1, 3, None), Progress("1.1", 5, None, None))
    show(feed, Progress("1.0", 2, 3, None))
    assert [event.type for event in cursor.read()] == ["tool_call.progress"] * 2
    assert read(cursor) == []
    show(feed, Progress("1.0", 3, 3, None))
    assert len(read(cursor)) == 1
    end = ToolCallCompleted(
        run_id=RUN_ID, seq=1, call_id="1.0", name="n", is_error=False, output="", duration_ms=1
    )
    feed.commit([end])
    [event] = [e for e in FeedCursor(feed, 1).read() if e.seq is None]
    assert json.loads(event.data)["call_id"] == "1.1"


def test_nothing_after_the_end() -> None:
    """Of an ended run only what is committed is shown."""
    feed = feed_of(Reset(1, 7), *deltas("one"), Progress("1.0", 1, None, None))
    feed.commit([completed(1)])
    feed.end()
    assert read(FeedCursor(feed, 0)) == [("run.completed", None)]
    show(feed, Committed(2, 1))
