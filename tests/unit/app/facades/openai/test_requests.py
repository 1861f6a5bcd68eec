"""What OpenAI's clients send: read as what it means, or refused by name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.front import Client, Connect, saying
from fakes.watching import RUN_ID
from outlast.protocol import FilePart, ImagePart, InputMessage, TextPart, ToolCall
from outlast_app.facades.openai.chat_requests import ChatRequest
from outlast_app.facades.openai.errors import Refused
from outlast_app.facades.openai.response_requests import (
    ResponseRequest,
    instructions_in,
    read_history,
)
from outlast_app.keyring import hash_of_key

PIXEL = "data:image/png;base64,iVBORw0KGgo="
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
USER = {"role": "user", "content": "Hi."}


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect() as client:
        yield client


def chat(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m", "messages": messages, **fields})


def history_of(*items: dict[str, Any]) -> list[InputMessage]:
    read = ResponseRequest.model_validate({"model": "m", "input": items}).items
    return read_history(read, range(len(read)))


def test_a_chat() -> None:
    """A history becomes messages; what instructs is apart; empty answers are left out."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "x"}},
    ]
    asked = chat(
        {"role": "system", "content": "Be kind."},
        USER,
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "ok"}]},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": parts},
        max_tokens=5,
        temperature=0,
        tool_choice="auto",
    )
    assert asked.history() == [
        InputMessage(role="user", content="Hi."),
        InputMessage(
            role="assistant",
            content="",
            tool_calls=[ToolCall(call_id="c1", name="f", arguments={"a": 1})],
        ),
        InputMessage(role="tool", call_id="c1", content="ok"),
        InputMessage(
            role="user",
            content=[
                TextPart(text="Look:"),
                ImagePart(url=PIXEL),
                FilePart(url="data:text/plain;base64,aGk=", name="x"),
            ],
        ),
    ]
    overrides = asked.overrides()
    assert overrides.instructions == "Be kind.\n\nBe brief."
    assert overrides.options
    assert overrides.options.model_dump(exclude_none=True) == {
        "max_output_tokens": 5,
        "temperature": 0,
    }
    assert overrides.asked == ("instructions", "options")
    assert asked.answers() == {}


def test_results_at_the_end_of_a_chat() -> None:
    """They are what a run may wait for, in the order of their calls."""
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": str(n)} for n in (1, 2)]
    assert chat(USER, {"role": "assistant", "content": "x"}, *results).answers() == {
        "c1": "1",
        "c2": "2",
    }


def test_the_input_of_a_response() -> None:
    """Calls go with the message before them; what we know ourselves is skipped."""
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    image = {"type": "input_image", "image_url": PIXEL}
    assert history_of(
        {"role": "user", "content": [{"type": "input_text", "text": "Hi."}, image]},
        {"type": "message", "role": "assistant", "id": "msg a", "content": "Wait."},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        call,
        {**call, "call_id": "c2"},
        {"type": "mcp_call", "id": "mcp_1", "name": "x", "arguments": "{}", "server_label": "m"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [image]},
    ) == [
        InputMessage(role="user", content=[TextPart(text="Hi."), ImagePart(url=PIXEL)]),
        InputMessage(
            id=history_of({"role": "user", "id": "msg a", "content": "x"})[0].id,
            role="assistant",
            content="Wait.",
            tool_calls=[ToolCall(call_id=c, name="f", arguments={}) for c in ("c1", "c2")],
        ),
        InputMessage(role="tool", call_id="c1", content="one"),
        InputMessage(role="tool", call_id="c2", content=[ImagePart(url=PIXEL)]),
    ]


def test_instructions_among_the_input() -> None:
    """They are heard as such, wherever they are."""
    items = ResponseRequest.model_validate(
        {"model": "m", "input": [{"role": "developer", "content": "Be brief."}, USER]}
    ).items
    assert list(instructions_in(items)) == ["Be brief."]


def test_a_tool_that_says_nothing_new() -> None:
    """A client that can decide on the agent's own calls says so by a tool; it is no client tool."""
    fields = {
        "tools": [
            {"type": "mcp", "server_label": "m", "server_url": "https://example.org"},
            {"type": "function", "name": "f"},
        ]
    }
    asked = ResponseRequest.model_validate({"model": "m", "input": "Hi.", **fields})
    tools = asked.overrides([]).client_tools
    assert tools
    assert [(tool.name, tool.description) for tool in tools] == [("f", "f")]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({"type": "computer_call"}, "unsupported_item", "input.0"),
        (
            {"role": "user", "content": [{"type": "input_audio"}]},
            "unsupported_parameter",
            "input.0.content.0.type",
        ),
        ({"type": "function_call", "name": "f"}, "invalid_request_error", "input.0"),
    ],
)
def test_items_that_are_not_taken(item: dict[str, Any], code: str, param: str) -> None:
    """Each is refused by its place."""
    with pytest.raises(Refused) as refused:
        history_of(item)
    assert (refused.value.fault.code, refused.value.param) == (code, param)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, {"messages": [USER]}, "model"),
        (CHAT, {"model": "support", "messages": []}, "messages"),
        (CHAT, {"model": "support", "messages": [{"role": "robot"}]}, "messages.0.role"),
        (CHAT, {"model": "support", "messages": [USER], "n": "two"}, "n"),
        (
            CHAT,
            {"model": "support", "messages": [{"role": "system", "content": "x"}, USER]},
            "instructions",
        ),
        (
            CHAT,
            {"model": "support", "messages": [USER, {"role": "assistant", "content": "x"}]},
            "messages",
        ),
        (RESPONSES, {"model": "support", "input": "Hi.", "instructions": "x"}, "instructions"),
        (
            RESPONSES,
            {"model": "support", "input": "Hi.", "tools": [{"type": "function", "name": "f"}]},
            "tools",
        ),
        (
            RESPONSES,
            {
                "model": "support",
                "input": "Hi.",
                "text": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            },
            "text.format",
        ),
        (RESPONSES, {"model": "support", "input": "Hi.", "max_tool_calls": 0}, "max_tool_calls"),
        (RESPONSES, {"model": "support", "input": 5}, "input"),
    ],
)
async def test_what_is_refused(client: Client, path: str, body: Any, param: str) -> None:
    """With the parameter at fault; what an agent does not allow, with the line that would."""
    answer = await client.post(path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert error["param"] == param, error
    if param in ("instructions", "tools", "text.format"):
        assert "overrides=" in error["message"]


async def test_unknown_models(client: Client) -> None:
    """The answer says which there are."""
    for path, said in ((CHAT, {"messages": [USER]}), (RESPONSES, {"input": "Hi."})):
        answer = await client.post(path, json={"model": "nobody", **said})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert "support" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "said"), [(CHAT, {"messages": [USER]}), (RESPONSES, {"input": "Hi."})]
)
async def test_while_restate_is_away(client: Client, path: str, said: dict[str, Any]) -> None:
    """Libraries may send it again: nothing was started. Options and unknown fields are no fault."""
    body = {"model": "support", "temperature": 0.5, "of_tomorrow": 1, **said}
    answer = await client.post(path, json=body)
    assert answer.status_code == 503
    assert answer.headers["x-should-retry"] == "true"
    assert answer.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("path", "said"), [(CHAT, {"messages": [USER]}), (RESPONSES, {"input": "Hi."})]
)
async def test_what_restate_may_have_accepted(
    connect: Connect, path: str, said: dict[str, Any]
) -> None:
    """Libraries must not send it again: it would be another run."""
    with saying(b"garbage\r\n\r\n") as ingress:
        async with connect(ingress=ingress) as client:
            answer = await client.post(path, json={"model": "support", **said})
    assert answer.status_code == 503
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-run-id"] in answer.json()["error"]["message"]


async def test_ids_of_others(client: Client) -> None:
    """What is no id of ours is not there."""
    for path in ("/v1/responses/resp_x", f"/v1/responses/{RUN_ID}", "/v1/conversations/x"):
        assert (await client.get(path)).status_code == 404


async def test_too_many_runs(connect: Connect) -> None:
    """A key that may start no more is told when."""
    key = {"name": "desk", "sha256": hash_of_key("s"), "rights": ["invoke"]}
    headers = {"Authorization": "Bearer s"}
    async with connect(keys={"acme": [key]}, max_runs_per_key=1) as client:
        for status in (503, 429):
            body = {"model": "support", "messages": [USER]}
            answer = await client.post(CHAT, json=body, headers=headers)
            assert answer.status_code == status
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["x-should-retry"] == "true"
