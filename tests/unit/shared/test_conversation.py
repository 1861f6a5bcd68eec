"""Conversations from outside, made such that every model's API takes them."""

import random
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from outlast.conversation import NO_RESULT, whole
from outlast.protocol import Input, InputMessage

INPUT: TypeAdapter[Any] = TypeAdapter(Input)
HI = {"role": "user", "content": "Hi."}


def asks(*ids: str, text: str = "") -> dict[str, Any]:
    calls = [{"call_id": call_id, "name": "find", "arguments": {}} for call_id in ids]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def gives(call_id: str, text: str = "ok", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "call_id": call_id, "content": text, **more}


def told(*messages: dict[str, Any]) -> list[tuple[str, str]]:
    """Return who says what, with the ids of results."""
    said = whole(INPUT.validate_python(list(messages)))
    return [(message.role, message.call_id or str(message.content)) for message in said]


@pytest.mark.parametrize(
    ("messages", "order"),
    [
        ([HI, asks("a"), gives("a")], ["user", "assistant", "a"]),
        # in the order of the calls, right after them
        ([HI, asks("a", "b"), gives("b"), gives("a")], ["user", "assistant", "a", "b"]),
        ([asks("a"), HI, gives("a")], ["assistant", "a", "user"]),
        ([asks("a"), asks("b"), gives("a"), gives("b")], ["assistant", "a", "assistant", "b"]),
        # without a result
        ([asks("a"), HI], ["assistant", "a", "user"]),
        ([asks("a", "b"), gives("b")], ["assistant", "a", "b"]),
        # the same id again is another call
        (
            [asks("a"), gives("a"), asks("a"), gives("a")],
            ["assistant", "a", "assistant", "a"],
        ),
        ([asks("a"), asks("a"), gives("a")], ["assistant", "a", "assistant", "a"]),
    ],
)
def test_order(messages: list[dict[str, Any]], order: list[str]) -> None:
    """Each call has its result right after it."""
    said = told(*messages)
    assert [what if who == "tool" else who for who, what in said] == order


def test_what_is_given_counts() -> None:
    """A result is the one that was given; one that nobody gave says so, and is an error."""
    said = whole(INPUT.validate_python([asks("a", "b"), gives("b", "found", is_error=False)]))
    _, missing, given = said
    assert (missing.content, missing.is_error) == (NO_RESULT, True)
    assert (given.content, given.is_error) == ("found", False)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([gives("a")], "message 0: no call 'a' comes before it"),
        ([HI, gives("a"), asks("a"), HI], "message 1: no call"),
        ([asks("a"), gives("a"), gives("a")], "message 2: the call 'a' has a result"),
        ([asks("a", "a"), gives("a")], "message 0: each tool call needs a call_id of its own"),
        ([asks(""), HI], "needs a call_id"),
        ([HI, asks("a")], "must have the role user or tool"),
        ([{**HI, "call_id": "a"}], "no other has one"),
        ([asks("a"), {"role": "tool", "content": "x"}], "has the call_id of its call"),
        ([{**HI, "tool_calls": asks("a")["tool_calls"]}], "tool_calls are an assistant's"),
        ([{**HI, "is_error": True}], "is_error is a tool's"),
        ([{**HI, "id": "1"}, {**HI, "id": "1"}], "two messages have one id"),
        ([{**HI, "id": "a b"}], "should match pattern"),
        ([{**asks("a"), "tool_calls": []}, HI], "at least 1 item"),
    ],
)
def test_refused(messages: list[dict[str, Any]], why: str) -> None:
    """What nobody can make sense of is refused, with the place."""
    with pytest.raises(ValidationError, match=why):
        INPUT.validate_python(messages)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_sent(seed: int) -> None:
    """A conversation is refused, or becomes one in which each call has exactly one result."""
    dice = random.Random(seed)
    ids = ["a", "b", "1.0"]
    messages: list[dict[str, Any]] = []
    for _ in range(dice.randint(1, 12)):
        some = dice.sample(ids, dice.randint(1, 3))
        asked = [each["call_id"] for message in messages for each in message.get("tool_calls", [])]
        answers = [gives(each) for each in dice.sample(asked, min(len(asked), 2))]
        messages.append(dice.choice([HI, asks(*some), *answers]))
    try:
        accepted: list[InputMessage] = INPUT.validate_python(messages)
    except ValidationError:
        return
    said = whole(accepted)
    assert_whole(said)
    kept = [message for message in said if message in accepted]
    assert sorted(map(repr, kept)) == sorted(map(repr, accepted))  # nothing is lost
    assert whole(said) == said


def assert_whole(said: list[InputMessage]) -> None:
    waiting: list[str] = []
    for message in said:
        if message.role == "tool":
            assert message.call_id == waiting.pop(0)
        else:
            assert waiting == []
            waiting = [call.call_id for call in message.tool_calls or ()]
    assert waiting == []
