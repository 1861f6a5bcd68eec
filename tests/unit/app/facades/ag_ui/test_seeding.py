"""What a page is loaded with, and what becomes of a page's messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ag_ui.core import RunAgentInput

from fakes.ag_ui_client import check_event
from fakes.partner import agent
from outlast.errors import InvalidRequest
from outlast.protocol import ImagePart, Message, TextPart, ToolCall
from outlast.registry import Registry
from outlast_app.facades.ag_ui.capabilities import capabilities_of
from outlast_app.facades.ag_ui.messages import inputs_of, rename, shown_content
from outlast_app.facades.ag_ui.seeding import shown_messages

RUN = "partner.aaaaaaaaaaaaaaaaaaaaaaaaaa"


def had(message_id: str, role: Any, content: Any, run_id: str = RUN, **fields: Any) -> Message:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(
        id=message_id, role=role, content=content, run_id=run_id, created_at=now, **fields
    )


def call(call_id: str) -> list[ToolCall]:
    return [ToolCall(call_id=call_id, name="see", arguments={"of": "it"})]


def test_a_run_as_its_client_has_it() -> None:
    """Answers have the names that the stream gave them, whatever the thread calls them."""
    said = [
        had(f"{RUN}:9", "assistant", "the end of what was before"),
        had("context:x", "user", "data"),
        had("u1", "user", "Red?"),
        had(f"{RUN}:2", "assistant", "", tool_calls=call("1.0")),
        had(f"{RUN}:3", "tool", "red", call_id="1.0"),
        had(f"{RUN}:4", "assistant", "Red."),
    ]
    shown = shown_messages(said)
    assert [each["id"] for each in shown] == [
        "u1",
        f"msg_{RUN}_1",
        f"tool_{RUN}_1_0",
        f"msg_{RUN}_2",
    ]
    assert shown[1]["toolCalls"][0]["id"] == shown[2]["toolCallId"] == f"call_{RUN}_1_0"
    check_event({"type": "MESSAGES_SNAPSHOT", "messages": shown})


def test_a_history_from_elsewhere() -> None:
    """What a client had said by itself keeps its names."""
    said = [
        had("u1", "user", "Red?"),
        had("a1", "assistant", "", tool_calls=call("c1")),
        had("t1", "tool", "red", call_id="c1"),
    ]
    assert [each["id"] for each in shown_messages(said)] == ["u1", "a1", "t1"]
    assert shown_messages(said)[2]["toolCallId"] == "c1"


def test_content() -> None:
    """Images and documents are the protocol's parts."""
    parts = shown_content(
        [
            TextPart(text="Look"),
            ImagePart(url="data:image/png;base64,AA=="),
            ImagePart(url="https:x"),
        ]
    )
    assert parts == [
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "data", "value": "AA==", "mimeType": "image/png"}},
        {"type": "image", "source": {"type": "url", "value": "https:x"}},
    ]


def inputs(*messages: dict[str, Any]) -> list[Any]:
    body = RunAgentInput(thread_id="t", run_id="r", messages=list(messages))  # pyright: ignore[reportArgumentType]
    paths = {id(each): f"body.messages.{n}" for n, each in enumerate(body.messages)}
    return [*inputs_of(body.messages, paths)]


def test_a_list_as_a_run_takes_it() -> None:
    """Users, answers and results; what only pages show, and what instructs, is no part of it."""
    function = {"name": "see", "arguments": '{"of": "it"}'}
    found = inputs(
        {"id": "s", "role": "system", "content": "Be brief."},
        {
            "id": "ü",
            "role": "user",
            "content": [{"type": "text", "text": "Re"}, {"type": "text", "text": "d?"}],
        },
        {"id": "r", "role": "reasoning", "content": "Hm"},
        {"id": "a", "role": "assistant", "toolCalls": [{"id": "c", "function": function}]},
        {"id": "t", "role": "tool", "toolCallId": "c", "content": "half", "error": "It broke."},
        {"id": "e", "role": "assistant"},
    )
    assert [each.role for each in found] == ["user", "assistant", "tool"]
    assert (found[0].content, found[0].id[:2]) == ("Red?", "h:")
    assert found[1].tool_calls == [ToolCall(call_id="c", name="see", arguments={"of": "it"})]
    assert (found[2].content, found[2].is_error) == ("half\nIt broke.", True)


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (
            {"type": "data", "value": "AA==", "mimeType": "application/pdf"},
            "data:application/pdf;base64,AA==",
        ),
        ({"type": "url", "value": "data:text/plain,x"}, "data:text/plain,x"),
        ({"type": "url", "value": "https://example.org"}, None),
        ({"type": "file", "value": "f1"}, None),
    ],
)
def test_documents(source: dict[str, Any], url: str | None) -> None:
    """They come themselves; what would have to be fetched is refused with its place."""
    message = {"id": "u", "role": "user", "content": [{"type": "document", "source": source}]}
    if url:
        assert inputs(message)[0].content[0].url == url
        return
    with pytest.raises(InvalidRequest, match=r"body\.messages\.0\.content\.0"):
        inputs(message)


def test_arguments_that_are_no_object() -> None:
    """They are refused, with their place."""
    calls = [{"id": "c", "function": {"name": "see", "arguments": "[1"}}]
    with pytest.raises(InvalidRequest, match=r"messages\.0\.toolCalls\.0\.function\.arguments"):
        inputs({"id": "a", "role": "assistant", "toolCalls": calls})


def test_names_of_fields() -> None:
    """A problem names fields as its client does."""
    problem = InvalidRequest.at(("body.input.0.content", "wrong"), ("body.inputs", "wrong"))
    rename(problem, {"body.input": "body.messages"})
    assert [each["field"] for each in problem.extra["errors"]] == [
        "body.messages.0.content",
        "body.inputs",
    ]
    assert problem.detail.startswith("body.messages.0.content")


def test_capabilities() -> None:
    """An agent says what it allows."""
    can = capabilities_of(Registry([agent], "openai/x").describe(agent))
    assert can["tools"]["clientProvided"]
    assert [tool["name"] for tool in can["tools"]["items"]] == [
        "look_up",
        "wait_at",
        "transfer",
        "locate",
    ]
