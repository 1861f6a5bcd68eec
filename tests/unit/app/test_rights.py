"""What each key may do: one table, which no call can escape."""

import re
from collections.abc import Iterable
from typing import Any

import pytest
from fastapi import APIRouter

from fakes.front import RUN_ID, Connect, problem
from fakes.records import NOON
from outlast.protocol import Approval, Message, Run, RunError, Thread
from outlast_app.auth import KeyedRoute
from outlast_app.keyring import hash_of_key
from outlast_app.probes import PROBES
from outlast_app.rights import ALL_RIGHTS, RIGHT_OF, Right
from outlast_app.runs.actions import RunActions
from outlast_app.runs.thread_life import ThreadLife

EXAMPLES = {
    "agent": "support",
    "run_id": RUN_ID,
    "approval_id": "1.0",
    "call_id": "1.0",
    "thread_id": "t",
    "turn": "1",
    "name": "paid",
    "delivery_id": f"msg_{'a' * 26}",
}


def a_key(rights: Iterable[Right]) -> dict[str, Any]:
    return {"name": "desk", "sha256": hash_of_key("secret-1"), "rights": list(rights)}


def address(operation: str) -> tuple[str, str]:
    method, path = operation.split()
    return method, re.sub(r"\{(\w+)\}", lambda name: EXAMPLES[name[1]], path)


async def test_every_call_has_a_right(connect: Connect) -> None:
    """The table has every call but the probes, and nothing else."""
    async with connect() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    calls = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    assert calls - {f"GET {path}" for path in PROBES} == RIGHT_OF.keys()


def test_a_call_without_a_right() -> None:
    """A route that the table lacks can't be declared."""
    router = APIRouter(route_class=KeyedRoute)
    with pytest.raises(LookupError, match="GET /secrets: RIGHT_OF must say"):
        router.get("/secrets")(lambda: None)


@pytest.mark.parametrize("operation", RIGHT_OF)
async def test_a_right_that_a_key_lacks(connect: Connect, operation: str) -> None:
    """A key with all other rights is refused before its body is read; it hears what to add."""
    needed = RIGHT_OF[operation]
    method, path = address(operation)
    async with connect(keys={"acme": [a_key(ALL_RIGHTS - {needed})]}) as client:
        headers = {"authorization": "Bearer secret-1", "content-type": "application/json"}
        answer = await client.request(method, path, content=b"{", headers=headers)
    detail = problem(answer, 403, "missing-right")["detail"]
    assert "The key desk lacks" in detail
    assert f'add "{needed}" to the `rights`' in detail
    assert "secret-1" not in answer.text


@pytest.mark.parametrize("operation", RIGHT_OF)
async def test_a_right_that_a_key_has(connect: Connect, operation: str) -> None:
    """The one right that a call needs is enough to come through to what checks and answers it."""
    method, path = address(operation)
    async with connect(keys={"acme": [a_key([RIGHT_OF[operation]])]}) as client:
        headers = {"authorization": "Bearer secret-1"}
        body = {"input": "Hi."} if path.endswith(("/runs", "/messages")) else {"action": "approve"}
        content = None if method == "GET" else body
        answer = await client.request(method, path, headers=headers, json=content)
    assert answer.status_code in (200, 422, 503), answer.text


async def test_a_wrong_method_needs_no_right(connect: Connect) -> None:
    """It is told as what it is, to everybody."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        problem(await client.patch("/runs"), 405, "method-not-allowed")


@pytest.mark.parametrize(("rights", "status"), [(["invoke"], 403), (["invoke", "read"], 503)])
async def test_a_start_that_another_run_may_take(
    connect: Connect, rights: list[Right], status: int
) -> None:
    """It is answered with that run, which only those may see who may read."""
    body = {"input": "Hi.", "thread_id": "t", "on_busy": "steer"}
    headers = {"authorization": "Bearer secret-1"}
    async with connect(keys={"acme": [a_key(rights)]}) as client:
        answer = await client.post("/agents/support/runs", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert "`read`" in problem(answer, 403, "missing-right")["detail"]


@pytest.mark.parametrize("action", ["cancel", "resume"])
@pytest.mark.parametrize("rights", [["invoke"], ["invoke", "read"]])
async def test_what_is_in_a_run_that_one_ends(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, action: str, rights: list[Right]
) -> None:
    """Whoever may cancel or resume a run, and not read, hears how it stands and no more."""
    said = Message(id="1", role="user", content="secret", run_id=RUN_ID, created_at=NOON)
    run = Run(
        run_id=RUN_ID,
        agent="support",
        status="cancelled",
        messages=[said],
        output="secret",
        metadata={"ticket": "secret"},
        approvals=[
            Approval(call_id="1.0", name="pay", arguments={"to": "secret"}, requested_at=NOON)
        ],
        error=RunError(type="internal", message="secret", retryable=False),
    )

    async def act(*_: Any) -> Run:
        return run

    monkeypatch.setattr(RunActions, action, act)
    headers = {"authorization": "Bearer secret-1"}
    async with connect(keys={"acme": [a_key(rights)]}) as client:
        answer = await client.post(f"/runs/{RUN_ID}/{action}", headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert ("secret" in answer.text) == ("read" in rights)


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [("PATCH", "/threads/t", "change"), ("POST", "/threads", "create")],
)
@pytest.mark.parametrize("rights", [["invoke"], ["invoke", "read"]])
async def test_what_is_known_of_a_thread_that_one_changes(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    action: str,
    rights: list[Right],
) -> None:
    """Whoever may change a thread, and not read, does not hear what others have said of it."""

    async def act(*_: Any) -> Thread:
        return Thread(
            thread_id="t",
            status="idle",
            queued=[],
            message_count=2,
            metadata={"title": "secret"},
            created_at=NOON,
            updated_at=NOON,
        )

    monkeypatch.setattr(ThreadLife, action, act)
    headers = {"authorization": "Bearer secret-1"}
    async with connect(keys={"acme": [a_key(rights)]}) as client:
        answer = await client.request(method, path, json={}, headers=headers)
    assert (answer.is_success, answer.json()["message_count"]) == (True, 2)
    assert ("secret" in answer.text) == ("read" in rights)
