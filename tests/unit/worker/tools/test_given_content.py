"""What a person answers to a server fits what it asked, or is refused with what is wrong."""

from typing import Any

import pytest

from fakes.records import NOON
from outlast.protocol import Approval, Decision
from outlast_worker.tools.given_content import faults_of_content

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"pieces": {"type": "integer"}, "tags": {"type": "array"}},
    "required": ["pieces"],
}


def faults(content: Any, **asked: Any) -> list[str]:
    approval = Approval(
        approval_id="1.0.input1",
        name="order",
        arguments={},
        reason="input",
        requested_at=NOON,
        **asked,
    )
    return faults_of_content(approval, Decision(action="answer", content=content))


@pytest.mark.parametrize("content", [{"pieces": 3}, {"pieces": 3, "tags": ["red"], "note": "x"}])
def test_an_answer_that_fits(content: Any) -> None:
    assert not faults(content, content_schema=SCHEMA)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, '"pieces" is a required property'),
        ({"pieces": "three"}, "pieces: "),
        ("three", "an object is asked for"),
        ({"pieces": 3, "tags": [1]}, "tags: a text, a number"),
        ({"pieces": 3, "more": {"a": 1}}, "more: a text, a number"),
    ],
)
def test_an_answer_that_does_not(content: Any, said: str) -> None:
    assert said in faults(content, content_schema=SCHEMA)[0]


def test_what_is_done_elsewhere() -> None:
    """Nothing that belongs to the page goes through the run."""
    assert not faults({}, url="https://sign.example")
    assert faults({"pin": "1234"}, url="https://sign.example")
