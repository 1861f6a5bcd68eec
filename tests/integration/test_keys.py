"""Keys on the whole stack: each does what it may, and decisions say whose they were."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
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


def test_streams_of_one_key(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A key has so many streams; a client that goes away gives its place back."""
    gate = Gate()
    model.script(key, [text("done", gate=gate)])
    settings = {"APP_KEYS": '{"default": ["one", "two"]}', "APP_MAX_STREAMS_PER_KEY": "1"}
    with stack.another_app(settings) as url, Api(url) as api:
        api.http.headers["Authorization"] = "Bearer one"
        run_id = api.start("tester", key)
        with api.http.stream("GET", f"/runs/{run_id}/events") as stream:
            lines = stream.iter_lines()  # kept: without it the client would end the stream
            next(lines)
            refused = api.http.get(f"/runs/{run_id}/events")
            assert (refused.status_code, refused.json()["type"]) == (429, "key-limit")
            assert refused.headers["retry-after"] == "5"
            other = {"Authorization": "Bearer two"}
            with api.http.stream("GET", f"/runs/{run_id}/events", headers=other) as free:
                assert free.status_code == 200
        wait_until(lambda: status_of_stream(api, run_id) == 200, "the key's place to be free")
        gate.open()
        assert api.result(run_id)["output"] == "done"


def status_of_stream(api: Api, run_id: str) -> int:
    with api.http.stream("GET", f"/runs/{run_id}/events") as stream:
        return stream.status_code


def test_starts_of_one_key(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A key starts so many runs a minute; what is beyond that is never started."""
    model.script(key, [text("done")])
    settings = {"APP_KEYS": '{"default": ["one", "two"]}', "APP_MAX_RUNS_PER_KEY": "3"}
    with stack.another_app(settings) as url, Api(url) as api:
        api.http.headers["Authorization"] = "Bearer one"
        answers = [api.post("tester", key, {"Prefer": "respond-async"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        for answer in answers[:3]:
            api.result(answer.json()["run_id"])
        assert len(model.requests(key)) == 3
        answer = api.post("tester", key, {"Authorization": "Bearer two"})
        assert answer.json()["output"] == "done"
