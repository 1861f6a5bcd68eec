"""Lists of messages as pages send them, beside what a thread has."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from outlast.errors import InvalidRequest
from outlast.protocol import Message, ToolCall
from outlast_app.facades.ai_sdk.history import split
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
    had("a1", "assistant", "", tool_calls=[ToolCall(call_id="1.0", name="see", arguments={})]),
    had("t1", "tool", "red", call_id="1.0"),
    had("a2", "assistant", "Red."),
    had("u2", "user", "Blue?"),
    had("a3", "assistant", "Blue."),
]
U1, A1 = ui("u1", "user", "Red?"), ui(f"msg_{RUN}", "assistant", "Red.")
U2, A2 = ui("u2", "user", "Blue?"), ui(f"msg_{RUN}x", "assistant", "Blue.")


def ids(messages: Sequence[Message | UiMessage]) -> list[str]:
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("said", "is_new", "kept", "rest"),
    [
        ([U1, A1, U2], False, 4, ["u2"]),
        ([U1], False, 0, ["u1"]),
        ([ui("u1", "user", "Green?")], True, 0, ["u1"]),
        ([U1, A1, ui("u2", "user", "Green?")], True, 4, ["u2"]),
        ([U1, A1, U2, A2, ui("u3", "user", "Green?")], True, 6, ["u3"]),
        ([ui("x", "user", "Hi"), A1, ui("u3", "user", "Green?")], True, 0, ["x", A1.id, "u3"]),
    ],
    ids=["another answer", "the first anew", "edited", "edited late", "new", "a foreign list"],
)
def test_where_a_list_begins_to_differ(
    said: list[UiMessage], is_new: bool, kept: int, rest: list[str]
) -> None:
    """What the thread has counts up to there, tool calls included."""
    mine, theirs = split(THREAD, said, is_new=is_new)
    assert (len(mine), ids(theirs)) == (kept, rest)


def test_a_history_of_the_clients_own() -> None:
    """A thread that is not there begins with it: texts, tool calls, results."""
    seen = {
        "type": "tool-see",
        "toolCallId": "c1",
        "state": "output-available",
        "input": {"of": "it"},
        "output": {"colour": "red"},
    }
    said = [*inputs_of([U1, ui("a", "assistant", "Look:", seen), U2])]
    assert [message.role for message in said] == ["user", "assistant", "tool", "user"]
    assert said[1].tool_calls == [ToolCall(call_id="c1", name="see", arguments={"of": "it"})]
    assert said[2].content == '{"colour": "red"}'


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
    assert (body.instructions(), ids(body.conversation())) == ("Be brief.", ["u1"])
    with pytest.raises(InvalidRequest):
        UiRequest(id="c").conversation()
