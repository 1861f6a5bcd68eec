"""What a key may do over OpenAI's API: what it may natively, and no more."""

from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from fakes.front import RUN_ID, Client, Connect
from fakes.records import NOON
from outlast.protocol import Thread
from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.keyring import hash_of_key
from outlast_app.rights import ALL_RIGHTS, Right
from outlast_app.runs.thread_life import ThreadLife

CHAT, RESPONSES = "POST /chat/completions", "POST /responses"
ITEMS = "POST /conversations/{conversation_id}/items"
USER = {"role": "user", "content": "Hi."}
BODIES: dict[str, Any] = {
    CHAT: {"model": "support", "messages": [USER]},
    RESPONSES: {"model": "support", "input": "Hi."},
    "POST /conversations/{conversation_id}": {"metadata": {"a": "b"}},
    ITEMS: {"items": [USER]},
}
OUTPUT = {"type": "function_call_output", "call_id": f"call_{RUN_ID}_1_0", "output": "x"}
DECISION = {
    "type": "mcp_approval_response",
    "approval_request_id": f"mcpr_{RUN_ID}_1_0",
    "approve": True,
}
BELOW = {**DECISION, "approval_request_id": f"mcpr_{RUN_ID}_{RUN_ID}_1_0"}
REFERENCE = {"type": "item_reference", "id": f"msg_{RUN_ID}_1"}
CALL = {"id": OUTPUT["call_id"], "type": "function", "function": {"name": "f", "arguments": "{}"}}
ABOUT_RUNS = [
    (RESPONSES, {"input": "And then?", "previous_response_id": f"resp_{RUN_ID}_1"}),
    (RESPONSES, {"input": [REFERENCE, USER]}),
    (RESPONSES, {"input": [OUTPUT]}),
    (RESPONSES, {"input": [DECISION]}),
    (RESPONSES, {"input": [BELOW]}),
    (ITEMS, {"items": [REFERENCE]}),
    (
        CHAT,
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": CALL["id"], "content": "x"},
            ]
        },
    ),
]


def keys(rights: Iterable[Right]) -> dict[str, Any]:
    return {"acme": [{"name": "desk", "sha256": hash_of_key("s"), "rights": list(rights)}]}


async def call(client: Client, operation: str, body: Any = None) -> httpx.Response:
    method, path = operation.split()
    path = path.format(model="support", response_id=f"resp_{RUN_ID}_1", conversation_id="conv_t")
    headers = {"Authorization": "Bearer s"}
    said = body or (None if method == "GET" else BODIES.get(operation, {}))
    return await client.request(method, f"/v1{path}", json=said, headers=headers)


def is_refused(answer: httpx.Response, right: Right) -> bool:
    error = answer.json().get("error", {})
    is_so = answer.status_code == 403
    assert is_so == (error.get("code") == "missing_right"), answer.text
    assert not is_so or f"`{right}`" in error["message"], error
    return is_so


@pytest.mark.parametrize("operation", OpenAiRoute.table)
async def test_each_call(connect: Connect, operation: str) -> None:
    """All rights but the one that it needs are not enough; that one is."""
    needed = OpenAiRoute.table[operation]
    async with connect(keys=keys(ALL_RIGHTS - {needed})) as client:
        assert is_refused(await call(client, operation), needed)
    async with connect(keys=keys([needed])) as client:
        answer = await call(client, operation)
        assert not is_refused(answer, needed)
        assert answer.status_code in (200, 404, 503), answer.text


@pytest.mark.parametrize(("operation", "body"), ABOUT_RUNS)
async def test_what_runs_have_said(connect: Connect, operation: str, body: Any) -> None:
    """Who goes on with a run, or names what it said, could hear of it: that needs `read`."""
    body = {"model": "support", **body}
    async with connect(keys=keys(ALL_RIGHTS - {"read"})) as client:
        assert is_refused(await call(client, operation, body), "read")
    async with connect(keys=keys(["invoke", "read"])) as client:
        assert (await call(client, operation, body)).status_code == 503


@pytest.mark.parametrize("rights", [["invoke"], ["invoke", "read"]])
@pytest.mark.parametrize(
    ("operation", "action"),
    [("POST /conversations", "create"), ("POST /conversations/{conversation_id}", "change")],
)
async def test_what_is_known_of_a_conversation(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    action: str,
    rights: list[Right],
) -> None:
    """Who may change it, and not read, does not hear what others have said of it."""

    async def act(*_: Any) -> Thread:
        return Thread(
            thread_id="t",
            status="idle",
            queued=[],
            message_count=0,
            metadata={"title": "secret"},
            created_at=NOON,
            updated_at=NOON,
        )

    monkeypatch.setattr(ThreadLife, action, act)
    async with connect(keys=keys(rights)) as client:
        answer = await call(client, operation)
    assert (answer.status_code, answer.json()["id"]) == (200, "conv_t")
    assert ("secret" in answer.text) == ("read" in rights)
