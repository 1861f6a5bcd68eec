"""What a body must be to start a run."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from fakes.front import Client, problem

Made = Callable[[], TypeVar("T")]
"""Makes a large value for one test, so that others need not carry it."""
TEXT = {"type": "text", "text": "Hi."}


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
        ({"input": [{"role": "user", "content": "Hi."}] * 1001}, "body.input"),
        ({"input": [{"role": "user", "content": [TEXT] * 1001}]}, "body.input"),
        ({"input": "Hi.", "metadata": {"a": "x" * 16_384}}, "body.metadata"),
        # Python takes these for numbers and truth values.
        ({"input": "Hi.", "limits": {"max_turns": True}}, "body.limits.max_turns"),
        ({"input": "Hi.", "limits": {"max_turns": "5"}}, "body.limits.max_turns"),
        ({"input": "Hi.", "limits": {"max_turns": 5.0}}, "body.limits.max_turns"),
        ({"input": "Hi.", "after_s": True}, "body.after_s"),
        ({"input": "Hi.", "after_s": "5"}, "body.after_s"),
        ({"input": "Hi.", "stream": 1}, "body.stream"),
        ({"input": "Hi.", "stream": "yes"}, "body.stream"),
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
        b'{"input": "Hi.", "context": {"a": 1e999}}',
        b'{"input": "Hi."}],[{}',
        '{"input": "Hi."}'.encode("utf-16"),
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"input": "Hi.", "\\ud800": 1}',
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 400 + b"]" * 400 + b"}}",
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 200 + b"]" * 200 + b"}}",
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 185 + b"]" * 185 + b"}}",
    ],
    ids=range(17),
)
async def test_odd_body(client: Client, content: bytes) -> None:
    """A body that is not JSON, or not JSON that can be kept, is the caller's fault."""
    headers = {"content-type": "application/json"}
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    assert problem(response, 422, "invalid-request")["errors"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *(
            {"content-type": kind}
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp")
        ),
    ],
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


@pytest.mark.parametrize(
    "body",
    [
        lambda: {"input": "x" * 2_000_000, "metadata": {"a": "x" * 16_000}},
        lambda: {"input": ',[{"\\' * 400_000},
        lambda: {"input": [{"role": "user", "content": [TEXT] * 1000}]},
        lambda: {"input": [{"role": "user", "content": "Hi."}] * 1000},
        lambda: {"input": "Hi.", "context": {"prices": {str(n): n for n in range(40_000)}}},
        lambda: {"input": "Hi.", "after_s": 1, "stream": True, "limits": {"max_turns": 1}},
    ],
    ids=["text", "text of signs", "parts", "messages", "context", "numbers"],
)
async def test_large_bodies(client: Client, body: Made[dict[str, Any]]) -> None:
    """What is within the limits is read, whatever its texts look like."""
    response = await client.post("/agents/support/runs", json=body())
    problem(response, 503, "restate-unavailable")


@pytest.mark.parametrize(
    "value",
    [
        lambda: list(range(1_000_000)),
        lambda: [[]] * 2_000_000,
        lambda: ['\\"'] * 1_000_000,
        lambda: {str(n): 1 for n in range(500_000)},
        lambda: "]" * 10 + "[" * 150_000,
    ],
    ids=["numbers", "lists", "texts", "names", "brackets"],
)
async def test_more_values_than_anybody_needs(client: Client, value: Made[Any]) -> None:
    """A body of very many values is refused before anything is made of them."""
    made = value()
    content = json.dumps({"input": "Hi.", "context": {"a": made}}).encode()
    if isinstance(made, str):
        content = content.replace(b'"' + made.encode() + b'"', made.encode())
    del made
    refused, took_s = await _refused(client, content)
    assert "more than 100000 values" in refused["detail"]
    assert took_s < 5


@pytest.mark.parametrize(
    "body",
    [
        lambda: {"input": "Hi.", **{f"a{n}": 1 for n in range(90_000)}},
        lambda: {"input": [{f"a{n}": 1 for n in range(90)}] * 990},
        lambda: {"input": [{"role": "user", "content": [{"type": "x"}] * 40_000}]},
        lambda: {"input": "Hi.", "metadata": {str(n): n for n in range(90_000)}},
    ],
    ids=["unknown fields", "messages", "parts", "metadata"],
)
async def test_many_faults(client: Client, body: Made[dict[str, Any]]) -> None:
    """The first faults are listed, and how many more there are; to find them takes no time."""
    refused, took_s = await _refused(client, json.dumps(body()).encode())
    assert len(refused["errors"]) == 20
    assert "faults more than are listed" in refused["detail"]
    assert took_s < 5


async def test_others_meanwhile(client: Client) -> None:
    """A large body is read beside the event loop, which goes on."""
    context = {"rows": [{"n": n, "text": "x" * 60} for n in range(30_000)]}
    content = json.dumps({"input": "Hi.", "context": context}).encode()
    headers = {"content-type": "application/json"}
    large = asyncio.create_task(
        client.post("/agents/support/runs", content=content, headers=headers)
    )
    started, longest_s = time.monotonic(), 0.0
    while not large.done():
        began = time.monotonic()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.monotonic() - began)
    problem(await large, 503, "restate-unavailable")
    assert longest_s < (time.monotonic() - started) / 2


async def _refused(client: Client, content: bytes) -> tuple[dict[str, Any], float]:
    """Return the refusal, and how much of the processor it took."""
    headers = {"content-type": "application/json"}
    began_s = time.process_time()
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    return problem(response, 422, "invalid-request"), time.process_time() - began_s
