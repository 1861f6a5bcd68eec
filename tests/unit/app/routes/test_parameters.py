"""What paths, queries and headers must be."""

from typing import Any

import pytest
from fastapi import Request

from fakes.front import RUN_ID, Client, problem
from outlast.trace import Trace
from outlast_app.routes.parameters import callers_trace


@pytest.mark.parametrize(
    "run_id",
    [
        "nonsense",
        "support.short",
        "Support.aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "a'b.aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
)
@pytest.mark.parametrize(
    "call", ["GET ", "GET /result", "GET /events", "POST /cancel", "POST /resume"]
)
async def test_what_is_not_a_run_id(client: Client, run_id: str, call: str) -> None:
    """What can't be a run is unknown without asking Restate."""
    method, _, rest = call.partition(" ")
    response = await client.request(method, f"/runs/{run_id}{rest}")
    assert run_id in problem(response, 404, "unknown-run")["detail"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"/runs/{RUN_ID}/events?after=-1", "query.after"),
        (f"/runs/{RUN_ID}/events?after=x", "query.after"),
        (f"/runs/{RUN_ID}/events?after=1_0", "query.after"),
        (f"/runs/{RUN_ID}/events?after={'9' * 16}", "query.after"),
        ("/runs?limit=1_0", "query.limit"),
        ("/runs?limit=+5", "query.limit"),
        ("/runs?limit=5.0", "query.limit"),
        ("/runs?limit=", "query.limit"),
        ("/threads/t/messages?limit=0", "query.limit"),
        ("/threads/t/messages?limit=101", "query.limit"),
        ("/threads/a%20b", "path.thread_id"),
        ("/runs?agent=A%27b", "query.agent"),
        ("/runs?thread_id=a%27b", "query.thread_id"),
        ("/runs?thread_id=", "query.thread_id"),
        ("/runs?status=ended", "query.status.0"),
        ("/runs?status=failed&status=ended", "query.status.1"),
        ("/runs?id_prefix=A%27b", "query.id_prefix"),
        ("/runs?created_after=yesterday", "query.created_after"),
        ("/runs?created_before=9999-01-01", "query.created_before"),
        ("/runs?metadata.=x", "query.metadata."),
        (f"/runs?metadata.a={'x' * 1000}", "query.metadata.a"),
        ("/runs?metadata.a=1&metadata.a=2", "query.metadata.a"),
        ("/runs?" + "&".join(f"metadata.{n}=x" for n in range(9)), "query.metadata"),
        ("/runs?limit=0", "query.limit"),
        ("/runs?limit=101", "query.limit"),
        ("/threads?limit=x", "query.limit"),
        ("/approvals?limit=-1", "query.limit"),
    ],
)
async def test_invalid_parameter(client: Client, path: str, field: str) -> None:
    """A parameter that does not fit is named."""
    document = problem(await client.get(path), 422, "invalid-request")
    assert [fault["field"] for fault in document["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "²", "", "9" * 30, "9" * 5000])
@pytest.mark.parametrize(
    "path", ["/agents", "/threads/t/messages", "/runs", "/threads", "/approvals"]
)
async def test_invalid_cursor(client: Client, cursor: str, path: str) -> None:
    """A cursor is what the page before gave, and nothing else."""
    response = await client.get(path, params={"cursor": cursor})
    document = problem(response, 422, "invalid-request")
    assert "next_cursor" in document["detail"]
    assert [fault["field"] for fault in document["errors"]] == ["query.cursor"]


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Prefer": "wait=soon"}, "wait=N"),
        ({"Idempotency-Key": ""}, "idempotency-key"),
        ({"Idempotency-Key": "x" * 257}, "idempotency-key"),
    ],
)
async def test_invalid_header(client: Client, headers: dict[str, str], named: str) -> None:
    """A header that does not fit is named."""
    response = await client.post("/agents/support/runs", json={"input": "Hi."}, headers=headers)
    assert named in problem(response, 422, "invalid-request")["detail"]


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "1_0", "\xb2", ""])
async def test_invalid_last_event_id(client: Client, value: str) -> None:
    """A stream goes on after the number of an event."""
    headers = [(b"Last-Event-ID", value.encode("latin-1"))]
    response = await client.get(f"/runs/{RUN_ID}/events", headers=headers)
    assert "last-event-id" in problem(response, 422, "invalid-request")["detail"]


@pytest.mark.parametrize("value", ["-1", "x", "5", "", "#", "MQ!", "A" * 20_000])
async def test_invalid_position(client: Client, value: str) -> None:
    """A stream with called runs goes on after an `id` of its own, from header or query."""
    path = f"/runs/{RUN_ID}/events"
    for asked in ({"headers": {"Last-Event-ID": value}}, {"params": {"after": value}}):
        given: Any = {**asked, "params": {"children": "true", **asked.get("params", {})}}
        field = "query.after" if "after" in given["params"] else "header.last-event-id"
        document = problem(await client.get(path, **given), 422, "invalid-request")
        assert [fault["field"] for fault in document["errors"]] == [field]


async def test_called_runs_are_streamed_only(client: Client) -> None:
    """Lines of JSON are of one run: who asks for those of others, too, is told so."""
    lines = {"Accept": "application/x-ndjson"}
    answer = await client.get(f"/runs/{RUN_ID}/events?children=true", headers=lines)
    assert "query.children" in problem(answer, 422, "invalid-request")["detail"]


@pytest.mark.parametrize(
    ("traceparent", "goes_along"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f"01-{'a' * 32}-{'b' * 16}-01-more", True),
        (f"00-{'a' * 32}-{'b' * 16}-é", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        ("café", False),
        ("", False),
    ],
)
def test_trace(traceparent: str, goes_along: bool) -> None:
    """What is no trace is left out: no header that a caller sends breaks a call to Restate."""
    headers = [(b"traceparent", traceparent.encode("latin-1"))]
    found = callers_trace(Request({"type": "http", "headers": headers}))
    assert found == (Trace(traceparent=traceparent) if goes_along else None)


def test_trace_state() -> None:
    """What tracing systems say beside goes along, over several headers, if it can be read."""
    traceparent = (b"traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode())

    def read(*states: bytes) -> Trace | None:
        headers = [traceparent, *((b"tracestate", state) for state in states)]
        return callers_trace(Request({"type": "http", "headers": headers}))

    found = read(b"dd=s:2", b"x=1")
    assert found
    assert found.tracestate == "dd=s:2,x=1"
    for unreadable in (b"x=\xe9", b"x" * 513):
        found = read(unreadable)
        assert found
        assert found.tracestate is None


async def test_idempotency_key_of_any_text(client: Client) -> None:
    """A key is hashed, never sent on, so it may be anything that a header may be."""
    headers = [(b"Idempotency-Key", "sch\xf6n".encode("latin-1"))]
    response = await client.post("/agents/support/runs", json={"input": "Hi."}, headers=headers)
    problem(response, 503, "restate-unavailable")
