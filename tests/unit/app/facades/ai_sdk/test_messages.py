"""Lists of messages as pages send them, beside what a thread has."""

from datetime import UTC, datetime
from typing import Any

import pytest

from outlast.errors import InvalidRequest
from outlast.protocol import Message, ToolCall
from outlast_app.facades.ai_sdk.messages import UiMessage, UiRequest, input_of, inputs_of

RUN = "partner.aaaaaaaaaaaaaaaaaaaaaaaaaa"


def ui(message_id: str, role: str, *parts: Any) -> UiMessage:
    shown = [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]
    return UiMessage.model_validate({"id": message_id, "role": role, "parts": shown})


def had(message_id: str, role: Any, content: str, **fields: Any) -> Message:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(id=message_id, role=role, content=content, run_id=RUN, created_at=now, **fields)


THREAD = [
    had("u1", "user", "Red?"),
    had(
        f"{RUN}:2", "assistant", "", tool_calls=[ToolCall(call_id="1.0", name="see", arguments={})]
    ),
    had("t1", "tool", "red", call_id="1.0"),
    had(f"{RUN}:4", "assistant", "Red."),
]
U1, U2 = ui("u1", "user", "Red?"), ui("u2", "user", "Blue?")
LOCATED = {
    "type": "tool-locate",
    "toolCallId": "c",
    "state": "output-available",
    "input": {},
    "output": "Berlin",
}


def test_a_history_of_the_clients_own() -> None:
    """A thread that is not there begins with it: texts, tool calls, results."""
    seen = {
        "type": "tool-see",
        "toolCallId": "c1",
        "state": "output-available",
        "input": {"of": "it"},
        "output": {"colour": "red"},
    }
    body = UiRequest(id="c", messages=[U1, ui("a", "assistant", "Look:", seen), U2])
    said = [*inputs_of(body, body.conversation())]
    assert [message.role for message in said] == ["user", "assistant", "tool", "user"]
    assert [message.id for message in said] == ["u1", "a", None, "u2"]
    assert said[1].tool_calls == [ToolCall(call_id="c1", name="see", arguments={"of": "it"})]
    assert said[2].content == '{"colour": "red"}'


def test_answers_of_one_id() -> None:
    """A history whose answers have one id is taken; what users say needs ids of its own."""
    answer = ui("a", "assistant", "Red.")
    body = UiRequest(id="c", messages=[U1, answer, U2, answer.model_copy(), ui("u3", "user", "x")])
    said = [*inputs_of(body, body.conversation())]
    assert [message.id for message in said] == ["u1", "a", "u2", None, "u3"]


@pytest.mark.parametrize(
    ("parts", "at"),
    [
        ([], "parts"),
        (["  "], "parts"),
        (["x", {"type": "source-url", "url": "https://x"}], "parts.1"),
        ([{"type": "file", "mediaType": "image/png", "url": "file:///etc/passwd"}], "parts"),
        ([{"type": "file", "mediaType": "application/pdf", "url": "https://x"}], "parts"),
    ],
)
def test_what_can_not_be_said(parts: list[Any], at: str) -> None:
    """It is refused with its place."""
    with pytest.raises(InvalidRequest) as refused:
        input_of(ui("u", "user", *parts), "body.messages.7")
    assert refused.value.extra["errors"][0]["field"] == f"body.messages.7.{at}"


def test_parts_of_a_users_message() -> None:
    """Texts are one, images are read, the page's own data is not; what nobody reads is refused."""
    image = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="}
    assert input_of(ui("u", "user", "a", "b")).content == "ab"
    said = input_of(ui("ü", "user", "Look", image, {"type": "data-theme", "data": 1}))
    assert isinstance(said.content, list)
    assert [part.type for part in said.content] == ["text", "image"]
    assert said.id
    assert said.id.startswith("h:")
    with pytest.raises(InvalidRequest, match="source-url"):
        input_of(ui("u", "user", {"type": "source-url", "url": "https://example.org"}))


def test_instructions() -> None:
    """System messages are no part of the conversation."""
    body = UiRequest(id="c", messages=[ui("s", "system", "Be brief."), U1])
    [said] = body.conversation()
    assert (body.instructions(), said.id, body.path_of(said)) == (
        "Be brief.",
        "u1",
        "body.messages.1",
    )


@pytest.mark.parametrize("messages", [None, [], [ui("s", "system", "Be brief.")]])
def test_nothing_said(messages: list[UiMessage] | None) -> None:
    """It is refused: there is nothing to answer."""
    with pytest.raises(InvalidRequest, match=r"body\.messages"):
        UiRequest(id="c", messages=messages).conversation()


@pytest.mark.parametrize(
    ("parts", "ends"),
    [
        (["Look:", LOCATED], True),
        ([LOCATED, {**LOCATED, "toolCallId": "d", "state": "input-available"}], True),
        ([LOCATED, {"type": "step-start"}, "There."], False),
        (["Hello."], False),
        ([], False),
    ],
)
def test_what_came_of_answers(parts: list[Any], ends: bool) -> None:
    """A client that shows it has seen what came of its answers; then it says something new."""
    assert ui("a", "assistant", *parts).ends_with_answer is ends
