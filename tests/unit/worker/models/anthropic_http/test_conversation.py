"""A conversation in Anthropic's blocks: roles in turns, results first, nothing empty."""

from base64 import b64encode
from typing import Any

import pytest

from fakes.records import NOON, model_call
from outlast_worker.engine.records import StoredMessage
from outlast_worker.models.anthropic_http.request import ask_for


def said(role: str, content: Any, **more: Any) -> StoredMessage:
    fields = {"id": "1", "role": role, "content": content, "run_id": "r", "created_at": NOON}
    return StoredMessage.model_validate({**fields, **more})


def asking(*call_ids: str, content: str = "", **more: Any) -> StoredMessage:
    calls = [{"call_id": made, "name": "refund", "arguments": {"cents": 5}} for made in call_ids]
    return said("assistant", content, tool_calls=calls, **more)


def turns(*messages: StoredMessage) -> list[dict[str, Any]]:
    settings = {"cache_prompt": False}
    call = model_call(model="anthropic/claude-sonnet-4-5", messages=messages)
    settings = call.settings.override(settings)
    asked = ask_for(model_call(model=call.model, messages=messages, settings=settings), "127.0.0.1")
    return asked.body["messages"]


def blocks(message: dict[str, Any]) -> list[str]:
    return [block["type"] for block in message["content"]]


def test_a_call_and_its_result() -> None:
    """The result, an error or not, comes right after the call, and what is said then after it."""
    first, second, third = turns(
        said("user", "Refund it."),
        asking("1.0", "1.1", content="Wait."),
        said("tool", "No such order.", call_id="1.0", is_error=True),
        said("tool", "", call_id="1.1", is_error=False),
        said("user", "And?"),
    )
    assert first == {"role": "user", "content": [{"type": "text", "text": "Refund it."}]}
    one, other = (block["id"] for block in second["content"][1:])
    assert second["content"] == [
        {"type": "text", "text": "Wait."},
        {"type": "tool_use", "id": one, "name": "refund", "input": {"cents": 5}},
        {"type": "tool_use", "id": other, "name": "refund", "input": {"cents": 5}},
    ]
    failed = [{"type": "text", "text": "No such order."}]
    assert third["content"] == [
        {"type": "tool_result", "tool_use_id": one, "content": failed, "is_error": True},
        {"type": "tool_result", "tool_use_id": other},
        {"type": "text", "text": "And?"},
    ]


def test_roles_take_turns() -> None:
    """What follows each other under one role is one message."""
    made = turns(said("user", "a"), said("user", "b"), said("assistant", "c"), said("user", "d"))
    assert [message["role"] for message in made] == ["user", "assistant", "user"]
    assert [block["text"] for block in made[0]["content"]] == ["a", "b"]


@pytest.mark.parametrize("empty", ["", " \n", [], [{"type": "text", "text": ""}]])
def test_empty_texts(empty: Any) -> None:
    """They are never sent: the whole request would be refused."""
    made = turns(said("user", "?"), said("assistant", empty), said("user", empty))
    assert [block["text"] for message in made for block in message["content"]] == ["?", "(empty)"]


def test_who_begins() -> None:
    """The user does, whatever is there."""
    assert next(message["role"] for message in turns(said("assistant", "Hello!"))) == "user"
    assert len(turns()) == 1


def test_the_end_of_an_answer_to_go_on_with() -> None:
    """White space at the end of the last answer would be refused."""
    made = turns(said("user", "Go on."), said("assistant", "Once upon \n"))
    assert made[-1]["content"] == [{"type": "text", "text": "Once upon"}]


def test_results_without_calls() -> None:
    """They are left out, and calls without results get one."""
    made = turns(said("tool", "{}", call_id="9.9"), said("user", "?"), asking("1.0"))
    assert [blocks(message) for message in made] == [["text"], ["tool_use"], ["tool_result"]]


PNG = "data:image/png;base64,iVBORw0KGgo="
CSV = "data:text/csv;base64," + b64encode("a;b\nä;2".encode()).decode()
PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "image", "url": "https://x/y.png"},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
    ),
    (
        {"type": "image", "url": PNG},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        },
    ),
    (
        {"type": "file", "url": PNG, "name": "a.png"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        },
    ),
    (
        {"type": "file", "url": "https://x/y.pdf", "name": "y.pdf"},
        {
            "type": "document",
            "source": {"type": "url", "url": "https://x/y.pdf"},
            "title": "y.pdf",
        },
    ),
    (
        {"type": "file", "url": "data:application/pdf;base64,JVBERi0="},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "document.pdf",
        },
    ),
    (
        {"type": "file", "url": CSV, "name": "a.csv"},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a;b\nä;2"},
            "title": "a.csv",
        },
    ),
]


@pytest.mark.parametrize(("part", "block"), PARTS)
def test_parts(part: dict[str, Any], block: dict[str, Any]) -> None:
    """Images and documents have their own blocks, in results too."""
    [message] = turns(said("user", [part]))
    assert message["content"] == [block]
    result = turns(said("user", "?"), asking("1.0"), said("tool", [part], call_id="1.0"))[-1]
    assert result["content"][0]["content"] == [block]
