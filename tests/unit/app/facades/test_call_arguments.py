"""Arguments of calls in a history are JSON in a text: read as carefully as the body itself."""

from typing import Any

import pytest

from fakes.front import Client
from outlast.errors import InvalidRequest
from outlast_app.facades.call_arguments import read_arguments

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
ITEMS, AG_UI = "/v1/conversations/conv_c/items", "/ag-ui/support"
USER = {"role": "user", "content": "Hi."}
CALL = {"type": "function_call", "call_id": "c", "name": "f"}


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def histories(*texts: str) -> dict[str, Any]:
    """Return a history in which the client has made calls with these arguments, by addresses."""
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": text}}
        for n, text in enumerate(texts)
    ]
    items = [{**CALL, "call_id": f"c{n}", "arguments": text} for n, text in enumerate(texts)]
    ids = ({"id": f"m{n}"} for n in range(9))
    said = [USER, {"role": "assistant", "tool_calls": calls}, USER]
    ui = [USER, {"role": "assistant", "toolCalls": calls}, USER]
    return {
        CHAT: {"model": "support", "messages": said},
        RESPONSES: {"model": "support", "input": [*items, USER]},
        ITEMS: {"items": items},
        AG_UI: {"threadId": "t", "runId": "r", "messages": [{**next(ids), **each} for each in ui]},
    }


PLACES = {CHAT: "messages", RESPONSES: "input", ITEMS: "items", AG_UI: "body.messages"}


def refused_at(answer: Any) -> str:
    """Check that a request is refused as the client's mistake; return where it is."""
    assert answer.status_code == 400, answer.text
    document = answer.json()
    if "error" in document:
        assert document["error"]["type"] == "invalid_request_error"
        return document["error"]["param"]
    return document["errors"][0]["field"]


UNREADABLE = {
    "deep": nested(185),
    "deeper": nested(300),
    "deepest": "[" * 200_000,
    "half a character": r'{"a": "\ud800"}',
    "no number": '{"a": NaN}',
    "too large a number": '{"a": 1e999}',
    "thousands of digits": '{"a": ' + "9" * 5000 + "}",
    "too many values": f'{{"a": [{"[]," * 100_000}1]}}',
    "none": "x",
    "a list": "[1]",
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_what_nobody_reads(why: str) -> None:
    """It is refused where it is, whatever the protocol."""
    with pytest.raises(InvalidRequest) as refused:
        read_arguments(UNREADABLE[why], "body.here")
    assert [fault["field"] for fault in refused.value.extra["errors"]] == ["body.here"]


@pytest.mark.parametrize("why", UNREADABLE)
@pytest.mark.parametrize("path", [CHAT, RESPONSES, ITEMS])
async def test_what_is_not_read(client: Client, path: str, why: str) -> None:
    """No worker would ever read a run that has such ones: they are refused, with their place."""
    answer = await client.post(path, json=histories(UNREADABLE[why])[path])
    assert refused_at(answer).startswith(PLACES[path])


@pytest.mark.parametrize("text", ["", nested(120), '{"a": 1, "a": 12345678901234567890}'])
@pytest.mark.parametrize("path", PLACES)
async def test_what_is_read(client: Client, path: str, text: str) -> None:
    """What is odd, and not too much, goes on to where it would be sent."""
    assert (await client.post(path, json=histories(text)[path])).status_code == 503


@pytest.mark.parametrize("path", PLACES)
async def test_all_of_a_history(client: Client, path: str) -> None:
    """What one call may have, many have not."""
    text = f'{{"a": [{"[]," * 30_000}1]}}'
    assert (await client.post(path, json=histories(text)[path])).status_code == 503
    answer = await client.post(path, json=histories(*[text] * 4)[path])
    assert refused_at(answer) == PLACES[path]
