"""Lists of messages that clients keep, beside what a thread has."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fakes.records import NOON
from outlast import Agent
from outlast.contract import ThreadHolder
from outlast.errors import InvalidRequest
from outlast.names import ThreadRef
from outlast.protocol import (
    Content,
    FilePart,
    ImagePart,
    InputMessage,
    Message,
    MessagePage,
    TextPart,
)
from outlast_app.facades.conversations import (
    instead,
    is_last_asked,
    is_same,
    place_of,
    read_back,
    run_asked,
    run_saying,
)
from outlast_app.facades.requests import Asked
from outlast_app.facades.starting import Start

R1, R2 = (f"partner.{letter * 26}" for letter in "ab")
AGENT = Agent(name="partner", instructions="x")


def said(message_id: str, role: Any, run_id: str = R1, content: Content = "x") -> Message:
    return Message(id=message_id, role=role, content=content, run_id=run_id, created_at=NOON)


class Threads:
    """A thread of many messages, read as the app reads it."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        self.pages = 0

    async def read_newest(self, _thread: ThreadRef, before: int | None, limit: int) -> MessagePage:
        self.pages += 1
        end = len(self.messages) if before is None else before
        start = max(end - limit, 0)
        return MessagePage(
            items=self.messages[start:end][::-1], next_cursor=str(start) if start else None
        )


def asked_of(messages: list[Message]) -> tuple[Asked, Threads]:
    threads = Threads(messages)
    deps = SimpleNamespace(threads=threads, settings=SimpleNamespace(max_body_bytes=10_000))
    return cast("Asked", SimpleNamespace(deps=deps, tenant="t")), threads


@pytest.mark.parametrize(
    ("wanted", "read", "pages"),
    [("u249", 100, 1), ("u120", 200, 2), ("u0", 250, 3), ("nobody's", 250, 3)],
)
async def test_as_far_as_needed(wanted: str, read: int, pages: int) -> None:
    """A long conversation is read back to what is looked for, in its order."""
    messages = [said(f"u{number}", "user") for number in range(250)]
    asked, threads = asked_of(messages)
    found = await read_back(asked, ThreadRef("t", "c"), {wanted})
    assert (found, threads.pages) == (messages[-read:], pages)


async def test_at_most() -> None:
    """Who wants the newest ones does not read all."""
    asked, threads = asked_of([said(f"u{number}", "user") for number in range(250)])
    found = await read_back(asked, ThreadRef("t", "c"), at_most=120)
    assert (len(found), threads.pages) == (200, 2)


def test_whose_a_message_is() -> None:
    """Kept messages of a history that was replaced stay those of the run that said them."""
    thread = [
        said("u1", "user", R2),
        said(f"{R1}:2", "assistant", R2),
        said("u2", "user", R2),
        said(f"{R2}:4", "assistant", R2),
        said(f"{R2}:in.0", "user", R2),
    ]
    assert [run_saying(message) for message in thread] == [None, R1, None, R2, R2]
    assert [run_asked(thread, place) for place in (0, 2, 4)] == [R1, R2, R2]
    assert [is_last_asked(thread, place) for place in (0, 2)] == [False, True]
    assert (place_of(thread, "u2"), place_of(thread, f"{R2}:4")) == (2, None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ab", [TextPart(text="a"), TextPart(text="b")], True),
        ("", [], True),
        ("ab", [TextPart(text="a")], False),
        ([TextPart(text=""), ImagePart(url="https://x")], [ImagePart(url="https://x")], True),
        ([FilePart(url="data:a", name="a")], [FilePart(url="data:a", name="b")], True),
        ([ImagePart(url="data:a")], [FilePart(url="data:a")], False),
        (
            [TextPart(text="a"), ImagePart(url="x"), TextPart(text="b")],
            [TextPart(text="ab"), ImagePart(url="x")],
            False,
        ),
    ],
)
def test_the_same_in_another_shape(one: Content, other: Content, same: bool) -> None:
    """What counts is what it says."""
    assert is_same(one, other) is same


def test_in_place_of_what_was_said() -> None:
    """It goes on after what is kept, and only if nobody else has gone on there."""
    asked, _ = asked_of([])
    new = InputMessage(id="u2", role="user", content="Green?")
    start = Start(agent=AGENT, messages=[new], protocol="x", thread_id="c")
    kept = [said("u1", "user"), said(f"{R1}:2", "assistant")]
    holder = ThreadHolder(message_count=4, last_run=R1)
    made = instead(asked, start, kept, holder)
    assert [message.id for message in made.messages] == ["u1", f"{R1}:2", "u2"]
    assert (made.history, made.on_busy, made.after_run) == ("replace", "reject", R1)
    made.body()
    twice = instead(asked, start, [*kept, *kept], holder)
    assert [message.id for message in twice.messages] == [None, None, "u1", f"{R1}:2", "u2"]
    twice.body()


@pytest.mark.parametrize(
    "kept",
    [[said(f"u{n}", "user") for n in range(1000)], [said("u1", "user", content="x" * 10_000)]],
    ids=["many", "large"],
)
def test_too_far_back(kept: list[Message]) -> None:
    """What no run can be given is refused, saying what to do."""
    asked, _ = asked_of([])
    start = Start(agent=AGENT, messages=[InputMessage(role="user", content="x")], protocol="x")
    with pytest.raises(InvalidRequest, match="Go on at the end"):
        instead(asked, start, kept, ThreadHolder(message_count=1000, last_run=R1))
