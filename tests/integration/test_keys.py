"""Keys on the whole stack: each does what it may, and decisions say whose they were."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack
from outlast_app.keyring import hash_of_key

RIGHTS = {"starter": ["invoke"], "desk": ["read", "approve"], "reader": ["read"]}


@pytest.fixture(scope="module")
def clients(stack: TestStack) -> Iterator[dict[str, Api]]:
    """A client for each key of one tenant."""
    keys = [
        {"name": name, "sha256": hash_of_key(f"secret-{name}"), "rights": rights}
        for name, rights in RIGHTS.items()
    ]
    with stack.another_app({"APP_KEYS": json.dumps({"default": keys})}) as url:
        clients = {name: Api(url) for name in RIGHTS}
        for name, client in clients.items():
            client.http.headers["Authorization"] = f"Bearer secret-{name}"
        yield clients
        for client in clients.values():
            client.close()


def resolution(run: dict[str, Any]) -> dict[str, Any]:
    return run["approvals"][0]["resolution"]


def test_each_does_what_it_may(clients: dict[str, Api], model: ScriptedModel, key: str) -> None:
    """One key starts a run, another one decides, a third one only looks; `by` is the decider."""
    starter, desk, reader = clients.values()
    model.script(key, [call("pay", cents=3), text("done")])
    run_id = starter.start("tester", key, thread_id=key.replace(" ", "-"))
    assert starter.http.get(f"/runs/{run_id}").status_code == 403
    desk.wait_for_approval(run_id)
    for other in (starter, reader):
        refused = other.decide(run_id, "1.0", "approve")
        assert (refused.status_code, refused.json()["type"]) == (403, "missing-right")
    assert reader.cancel(run_id).status_code == 403
    by = {"key": "desk", "said": "ann"}
    assert desk.decide(run_id, "1.0", "approve", by="ann").json()["by"] == by
    run = reader.result(run_id)
    assert resolution(run)["by"] == by
    [resolved] = [e for e in reader.events(run_id) if e["type"] == "approval.resolved"]
    assert resolved["by"] == by
    [told] = [m for m in reader.messages(run["thread_id"]) if m["role"] == "tool"]
    assert told["approval"]["by"] == by


def test_a_decision_without_a_name(clients: dict[str, Api], model: ScriptedModel, key: str) -> None:
    """Whoever says nothing of themselves has decided with their key all the same."""
    model.script(key, [call("pay", cents=3), text("done")])
    run_id = clients["starter"].start("tester", key)
    clients["desk"].wait_for_approval(run_id)
    answer = clients["desk"].decide(run_id, "1.0", "reject")
    assert answer.json()["by"] == {"key": "desk", "said": None}
