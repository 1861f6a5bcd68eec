"""What a body must be to start a run."""

from typing import Any

import pytest

from fakes.front import Client, problem


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.input"),
        ({"input": "Hi.", "inptu": 1}, "body.inptu"),
        ({"input": "Hi.", "limits": {"max_turns": 0}}, "body.limits.max_turns"),
        ({"input": "Hi.", "thread_id": "a/b"}, "body.thread_id"),
        ({"input": "Hi.", "on_busy": "enqueue"}, "body.on_busy"),
        ({"input": [{"role": "system", "content": "x"}]}, "body.input.0.role"),
        ({"input": [{"role": "user"}]}, "body.input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "body.input.0.content.0"),
        ({"input": None}, "body.input"),
    ],
)
async def test_invalid_body(client: Client, body: dict[str, Any], field: str) -> None:
    """A body that does not fit is a 422 that names the field, and says what is wrong with it."""
    document = problem(await client.post("/agents/support/runs", json=body), 422, "invalid-request")
    assert field in [fault["field"] for fault in document["errors"]]
    assert all(fault["message"] for fault in document["errors"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff",
        b'{"input": "\\ud800"}',
        b'{"input": "Hi.", "context": {"a": "\\ud800"}}',
        b'{"input": "Hi.", "context": {"\\ud800": 1}}',
        b'{"input": "Hi.", "context": {"a": NaN}}',
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"input": "Hi.", "\\ud800": 1}',
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 400 + b"]" * 400 + b"}}",
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 200 + b"]" * 200 + b"}}",
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 185 + b"]" * 185 + b"}}",
    ],
    ids=range(14),
)
async def test_odd_body(client: Client, content: bytes) -> None:
    """A body that is not JSON, or not JSON that can be kept, is the caller's fault."""
    headers = {"content-type": "application/json"}
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    assert problem(response, 422, "invalid-request")["errors"]


@pytest.mark.parametrize(
    "headers",
    [{}, *({"content-type": kind} for kind in ("text/plain", "application/x-www-form-urlencoded"))],
    ids=str,
)
async def test_body_that_is_not_called_json(client: Client, headers: dict[str, str]) -> None:
    """A web page can send such a body without asking: it is refused, with what is missing."""
    content = b'{"input": "Hi."}'
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    document = problem(response, 422, "invalid-request")
    assert "content-type: application/json" in document["detail"]
    assert [fault["field"] for fault in document["errors"]] == ["header.content-type"]


@pytest.mark.parametrize(
    ("content", "character"), [("{", 2), ('{"input": "ä", }', 16), ("nothing", 1)]
)
async def test_broken_json(client: Client, content: str, character: int) -> None:
    """The place of the fault is told in characters, and is not a field."""
    headers = {"content-type": "application/json"}
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    document = problem(response, 422, "invalid-request")
    assert f"not valid JSON at character {character}: " in document["detail"]
    assert [fault["field"] for fault in document["errors"]] == ["body"]


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ([], "at least 1 item"),
        ([{"role": "user", "content": [{"type": "text"}]}], "text: Field required"),
        ([{"role": "system", "content": "x"}], "role: "),
    ],
)
async def test_first_fault(client: Client, said: list[Any], detail: str) -> None:
    """The detail tells the real fault, not that the input is none of the other types."""
    response = await client.post("/agents/support/runs", json={"input": said})
    document = problem(response, 422, "invalid-request")
    assert detail in document["detail"]
    assert len(document["errors"]) >= 2


@pytest.mark.parametrize(
    "said",
    [
        "",
        " \n",
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": [{"type": "text", "text": " "}]}],
        [{"role": "assistant", "content": ""}, {"role": "user", "content": "Hi."}],
    ],
)
async def test_input_that_says_nothing(client: Client, said: Any) -> None:
    """No model is called with nothing."""
    response = await client.post("/agents/support/runs", json={"input": said})
    document = problem(response, 422, "invalid-request")
    assert [fault["field"] for fault in document["errors"]] == ["body.input"]


@pytest.mark.parametrize(
    ("kind", "url"),
    [("image", "nonsense"), ("image", "data:text/plain,x"), ("file", "https://x/y.pdf")],
)
async def test_parts_that_no_provider_takes(client: Client, kind: str, url: str) -> None:
    """An address that can't work is refused here, not by the provider much later."""
    body = {"input": [{"role": "user", "content": [{"type": kind, "url": url}]}]}
    document = problem(await client.post("/agents/support/runs", json=body), 422, "invalid-request")
    assert f"{kind}'s url begins with" in document["detail"]


async def test_input_of_a_file_alone(client: Client) -> None:
    """An image says something, also beside an empty text."""
    parts = [{"type": "text", "text": ""}, {"type": "image", "url": "https://x/y.png"}]
    body = {"input": [{"role": "user", "content": parts}]}
    problem(await client.post("/agents/support/runs", json=body), 503, "restate-unavailable")


async def test_missing_context(client: Client) -> None:
    """Names that the instructions need and the context lacks are all told at once."""
    body = {"input": "Hi.", "context": {"company": "Acme"}}
    document = problem(await client.post("/agents/filled/runs", json=body), 422, "invalid-request")
    assert [fault["field"] for fault in document["errors"]] == ["body.context.city"]
