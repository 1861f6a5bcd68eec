"""What a worker remembers of conversations."""

import pytest

from fakes.records import NOON
from outlast.contract import ConversationMark
from outlast_worker.conversations import Conversations
from outlast_worker.engine.records import StoredMessage
from outlast_worker.services.thread_state import NOTHING_SAID, extend


def say(*texts: str) -> tuple[ConversationMark, list[StoredMessage]]:
    """Make a conversation, with its mark."""
    said = [
        StoredMessage(id=str(index), role="user", content=text, run_id="r", created_at=NOON)
        for index, text in enumerate(texts)
    ]
    return extend(NOTHING_SAID, said), said


def test_what_is_kept_is_found() -> None:
    """A conversation is found on its own thread, and by its own mark."""
    conversations = Conversations(1_000_000)
    mark, said = say("a", "b")
    conversations.keep("acme/t", mark, said)
    assert conversations.find("acme/t", mark) == said
    assert conversations.find("other/t", mark) is None
    assert conversations.find("acme/t", say("a")[0]) is None
    assert conversations.find("acme/t", say("a", "c")[0]) is None


@pytest.mark.parametrize("change", ["digest", "messages", "bytes"])
def test_all_of_a_mark_counts(change: str) -> None:
    """A mark of which one part differs is of another conversation."""
    conversations = Conversations(1_000_000)
    mark, said = say("a", "b")
    conversations.keep("acme/t", mark, said)
    other = "0" if change == "digest" else 1
    assert conversations.find("acme/t", mark.model_copy(update={change: other})) is None


def test_the_latest_counts() -> None:
    """A thread's earlier conversation gives way to the later one."""
    conversations = Conversations(1_000_000)
    for texts in (("a",), ("a", "b")):
        conversations.keep("acme/t", *say(*texts))
    assert conversations.find("acme/t", say("a")[0]) is None
    assert conversations.find("acme/t", say("a", "b")[0])


def test_nothing_said_is_always_known() -> None:
    """A new thread needs no memory."""
    assert Conversations(0).find("acme/new", NOTHING_SAID) == ()


def test_memory_is_bounded() -> None:
    """What was used last stays; the rest gives way, by size, not by number."""
    conversations = Conversations(100_000)
    long, short = say("x" * 40_000), say("y")
    for thread in ("a", "b"):
        conversations.keep(thread, *long)
    conversations.keep("c", *short)
    assert conversations.find("a", long[0])
    conversations.keep("d", *long)
    kept = {thread for thread in "abcd" if conversations.find(thread, long[0])}
    assert kept == {"a", "d"}
    assert conversations.find("c", short[0])


def test_what_is_kept_again_counts_once() -> None:
    """A thread takes no more room for being used often."""
    conversations = Conversations(100_000)
    other, long = say("y"), say("x" * 40_000)
    conversations.keep("other", *other)
    for _ in range(20):
        conversations.keep("a", *long)
    assert conversations.find("other", other[0])


def test_what_is_too_large_drives_nothing_out() -> None:
    """A conversation that has no room is not kept, nor is its thread's earlier one."""
    conversations = Conversations(100_000)
    short, long = say("y"), say("x" * 200_000)
    conversations.keep("a", *short)
    conversations.keep("b", *short)
    conversations.keep("b", *long)
    assert conversations.find("a", short[0])
    assert conversations.find("b", short[0]) is None
    assert conversations.find("b", long[0]) is None
