"""What nobody can make a run of is refused, by its place, before anything is sent."""

from typing import Any

import pytest

from fakes.front import Client
from fakes.watching import RUN_ID

CHAT, RESPONSES, CONVERSATIONS = "/v1/chat/completions", "/v1/responses", "/v1/conversations"
ITEMS = f"{CONVERSATIONS}/conv_c/items"
USER = {"role": "user", "content": "Hi."}
CALL = {"type": "function_call", "call_id": "c", "name": "f"}


def response(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "support", "input": [*items, USER], **fields}


MANY_CALLS = [{**CALL, "call_id": f"c{n}", "arguments": "{}"} for n in range(1001)]
FUNCTIONS = [
    {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for n in range(1001)
]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CONVERSATIONS, {"metadata": {"m": "x" * 17_000}}, "metadata"),
        (CONVERSATIONS, {"items": [{"type": "reasoning", "id": "rs_1"}]}, "items"),
        (ITEMS, {"items": [{"role": "system", "content": "Be kind."}]}, "items"),
        (ITEMS, {"items": [{**USER, "id": "m"}, {**USER, "id": "m"}]}, "items"),
        (ITEMS, {"items": [USER] * 1001}, "items"),
        (ITEMS, {"items": [{"role": "user", "content": " "}]}, "items"),
        (ITEMS, {"items": MANY_CALLS}, "items.tool_calls"),
        (RESPONSES, response(max_tool_calls=1_000_000_000), "max_tool_calls"),
        (RESPONSES, response(*MANY_CALLS), "input.tool_calls"),
        (RESPONSES, response(*[USER] * 1001), "input"),
        (RESPONSES, response({**USER, "id": "m"}, {**USER, "id": "m"}), "input"),
        (RESPONSES, response(metadata={"m": "x" * 17_000}), "metadata"),
        (RESPONSES, response(temperature=9), "temperature"),
        (RESPONSES, response(tools=[{"type": "function", "name": "no name"}]), "tools.0.name"),
        (
            CHAT,
            {
                "model": "support",
                "messages": [USER, {"role": "assistant", "tool_calls": FUNCTIONS}, USER],
            },
            "messages.1.tool_calls",
        ),
        (
            CHAT,
            {
                "model": "support",
                "messages": [USER],
                "tools": [{"type": "function", "function": {"name": "no name"}}],
            },
            "tools.0.function.name",
        ),
    ],
)
async def test_more_than_may_be(client: Client, path: str, body: Any, param: str) -> None:
    """Of the limits of runs and threads their clients hear as of any mistake."""
    answer = await client.post(path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert error["param"] == param, error


def references(runs: int, of_each: int) -> list[dict[str, Any]]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    ids = [f"{RUN_ID[:-2]}{letters[n // 26]}{letters[n % 26]}" for n in range(runs)]
    turns = range(1, of_each + 1)
    return [{"type": "item_reference", "id": f"msg_{run}_{turn}"} for run in ids for turn in turns]


@pytest.mark.parametrize(
    ("runs", "of_each", "status"), [(101, 1, 400), (1, 1001, 400), (100, 10, 503)]
)
async def test_references(client: Client, runs: int, of_each: int, status: int) -> None:
    """Each run that they name is read: more than a chat could have come to are refused unread."""
    answer = await client.post(RESPONSES, json=response(*references(runs, of_each)))
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["error"]["code"] == "too_many_references"
