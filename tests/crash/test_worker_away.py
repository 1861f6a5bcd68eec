"""The worker is away: what was accepted is known, read as it is, and carried out later."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack
from outlast_local.ports import free_ports
from outlast_local.stack import is_up

pytestmark = pytest.mark.crash

NOBODY = f"tester.{'a' * 26}"


@pytest.fixture
def api_without_admin(stack: TestStack) -> Iterator[Api]:
    """A client of an app that can't reach the admin API."""
    port, nobody = free_ports(2)
    settings = {"APP_PORT": str(port), "RESTATE_ADMIN_URL": f"http://127.0.0.1:{nobody}"}
    app = stack.process("outlast_app", settings)
    app.start()
    try:
        app.wait_until(lambda: is_up(f"http://127.0.0.1:{port}/healthz"), 30)
        with Api(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        app.terminate()


def test_a_finished_run_that_is_asked_for_again(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A repeated request that waits for a worker makes no second run in the lists."""
    model.script(key, [text("ok")])
    headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
    run_id = api.start("tester", key, headers, thread_id=thread_id)
    api.result(run_id)
    stack.worker.kill()
    repeated = api.post("tester", key, headers, thread_id=thread_id)
    assert repeated.status_code == 503
    assert repeated.headers["location"] == f"/runs/{run_id}"
    for filters, expected in (({}, ["completed"]), ({"status": "queued"}, [])):
        items = api.http.get("/runs", params={"thread_id": thread_id, **filters}).json()["items"]
        assert [item["status"] for item in items] == expected
    stack.start_worker()
    assert api.post("tester", key, headers, thread_id=thread_id).json()["run_id"] == run_id


def _assert_listed(api: Api, thread_id: str, run_ids: list[str]) -> None:
    """Runs that no worker has seen are listed as they are read."""
    for filters in ({}, {"agent": "tester"}, {"thread_id": thread_id}, {"status": "queued"}):
        items = api.http.get("/runs", params={"limit": 100, **filters}).json()["items"]
        listed = {item["run_id"]: item for item in items}
        assert [run_id for run_id in listed if run_id in run_ids] == run_ids
        for run_id in run_ids:
            assert listed[run_id] == {**api.get(run_id), "messages": None}
    for filters in ({"agent": "short"}, {"thread_id": "another"}, {"status": "running"}):
        items = api.http.get("/runs", params={"limit": 100, **filters}).json()["items"]
        assert not {item["run_id"] for item in items} & {*run_ids}


def test_start_on_a_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """It is accepted in the time that the caller gives, is queued, and runs in its order."""
    for name in ("first", "second", "third"):
        model.script(f"{key} {name}", [text(name)])
    stack.worker.kill()
    first = api.post("tester", f"{key} first", {"Prefer": "respond-async"}, thread_id=thread_id)
    second = api.post("tester", f"{key} second", {"Prefer": "wait=1"}, thread_id=thread_id)
    with ThreadPoolExecutor(2) as pool:
        third = pool.submit(api.post, "tester", f"{key} third", thread_id=thread_id)
        for answer, limit_s in ((first, 3), (second, 2)):
            run = answer.json()
            assert (answer.status_code, run["status"]) == (202, "queued"), answer.text
            assert answer.headers["location"] == f"/runs/{run['run_id']}"
            assert answer.elapsed.total_seconds() < limit_s
            read = api.get(run["run_id"])
            assert (read["status"], read["thread_id"]) == ("queued", thread_id)
            assert read["created_at"]
        _assert_listed(api, thread_id, [second.json()["run_id"], first.json()["run_id"]])
        result = pool.submit(api.result, first.json()["run_id"])
        stack.start_worker()
        assert result.result(30)["output"] == "first"
        assert third.result(30).json()["output"] == "third"
        items = api.http.get("/runs", params={"thread_id": thread_id}).json()["items"]
        assert [item["output"] for item in items] == ["third", "second", "first"]
    assert api.result(second.json()["run_id"])["output"] == "second"
    said = [m["content"] for m in api.messages(thread_id)]
    assert said[:4] == [f"{key} first", "first", f"{key} second", "second"]
    assert [model.count(f"{key} {name}") for name in ("first", "second", "third")] == [1, 1, 1]


def test_cancel_before_the_thread_has_seen_the_run(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The answer promises nothing; the same call works when the worker is back."""
    gate = Gate()
    model.script(key, [text("never", gate=gate)])
    stack.worker.kill()
    run_id = api.start("tester", key, thread_id=thread_id)
    refused = api.cancel(run_id)
    assert (refused.status_code, refused.json()["type"]) == (503, "worker-unavailable")
    assert "Cancel it again" in refused.json()["detail"]
    stack.start_worker()
    api.wait_for_status(run_id, "running")
    assert api.cancel(run_id).status_code == 202
    assert api.wait_for_status(run_id, "cancelled")
    gate.open()


def test_events_before_the_thread_has_seen_the_run(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A stream that is open while the worker comes back has all events and no other end."""
    model.script(key, [text("ok")])
    stack.worker.kill()
    run_id = api.start("tester", key, thread_id=thread_id)
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(api.events, run_id)
        stack.start_worker()
        events = watched.result(40)
    assert_events_are_whole(events, api.result(run_id))


def test_same_key_on_a_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A repeated request finds its run before anybody has seen it; another body is refused."""
    model.script(key, [text("once")])
    headers = {"Idempotency-Key": key}
    stack.worker.kill()
    run_id = api.start("tester", key, headers, thread_id=thread_id)
    assert api.start("tester", key, headers, thread_id=thread_id) == run_id
    other = api.post(
        "tester", f"{key} more", {**headers, "Prefer": "respond-async"}, thread_id=thread_id
    )
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-conflict")
    stack.start_worker()
    assert api.result(run_id)["output"] == "once"
    again = api.post("tester", key, headers, thread_id=thread_id)
    assert (again.status_code, again.json()["run_id"]) == (200, run_id)
    assert model.count(key) == 1
    assert len(api.messages(thread_id)) == 2


def test_same_key_without_a_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Nobody can compare the bodies yet, but the answer names the run that was accepted."""
    model.script(key, [text("once")])
    headers = {"Idempotency-Key": key}
    stack.worker.kill()
    run_id = api.start("tester", key, headers)
    for preference in ("respond-async", "wait=1"):
        again = api.post("tester", key, {**headers, "Prefer": preference})
        assert (again.status_code, again.json()["type"]) == (503, "worker-unavailable")
        assert (again.headers["location"], again.json()["run_id"]) == (f"/runs/{run_id}", run_id)
    stack.start_worker()
    assert api.result(run_id)["output"] == "once"


def test_run_in_the_middle(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Reading, waiting for and cancelling it tell how far it is."""
    gate = Gate()
    model.script(key, [call("note", text=key), attempts(text("lost", gate=gate), text("ok"))])
    run_id = api.start("tester", key, thread_id=thread_id, metadata={"ticket": "7"})
    model.wait_for(key, turn=2)
    before = api.get(run_id)
    stack.worker.kill()
    gate.open()
    answers = [
        api.http.get(f"/runs/{run_id}"),
        api.http.get(f"/runs/{run_id}/result", headers={"Prefer": "wait=0"}),
        api.cancel(run_id),
    ]
    unknown = {"engine": None, "messages": None, "waiting": None}
    for answer in answers:
        run = answer.json()
        assert run["engine"]["attempts"] >= 1
        assert run["messages"] is None
        assert {**run, **unknown} == {**before, **unknown}
        assert (run["status"], run["turn"], run["thread_id"]) == ("running", 2, thread_id)
        assert answer.elapsed.total_seconds() < 2.5
    assert [answer.status_code for answer in answers] == [200, 202, 202]
    stack.start_worker()
    run = api.wait_for_status(run_id, "cancelled")
    assert_valid_conversation(run["messages"])


def test_killed_run(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A run that was killed in Restate still tells what it had done."""
    gate = Gate()
    model.script(key, [text("lost", gate=gate)])
    run_id = api.start("tester", key, metadata={"ticket": "7"})
    model.wait_for(key)
    started_at = api.get(run_id)["started_at"]
    stack.worker.kill()
    gate.open()
    stack.administer(run_id, "kill")
    run = api.wait_for_status(run_id, "failed")
    assert (run["error"]["type"], run["metadata"]) == ("killed", {"ticket": "7"})
    assert run["started_at"] == started_at


def test_unknown_run(api: Api, api_without_admin: Api, stack: TestStack) -> None:
    """There is no such run, unless nobody is there who could know."""
    path = f"/runs/{NOBODY}"
    assert api.http.get(path).status_code == 404
    assert api_without_admin.http.get(path).status_code == 404
    stack.worker.kill()
    assert api.http.get(path).status_code == 404
    unsure = api_without_admin.http.get(path)
    assert (unsure.status_code, unsure.json()["type"]) == (503, "worker-unavailable")


def test_starts_without_admin(
    api: Api,
    api_without_admin: Api,
    stack: TestStack,
    model: ScriptedModel,
    key: str,
    thread_id: str,
) -> None:
    """Runs are accepted all the same; a problem that comes up afterwards names the run."""
    model.script(key, [text("ok")])
    stack.worker.kill()
    on_thread = api_without_admin.start("tester", key, thread_id=thread_id)
    alone = api_without_admin.post("tester", key, {"Prefer": "wait=1"})
    assert (alone.status_code, alone.json()["type"]) == (503, "worker-unavailable")
    assert alone.headers["location"] == f"/runs/{alone.json()['run_id']}"
    stack.start_worker()
    assert api.result(on_thread)["output"] == "ok"
    assert api.result(alone.json()["run_id"])["output"] == "ok"
