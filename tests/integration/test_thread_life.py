"""Threads that are made empty, what is known of them, and how they and runs are forgotten."""

from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


@pytest.fixture
def thread_id(key: str) -> str:
    return key.replace(" ", "-")


def create(api: Api, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return api.http.post("/threads", json=body, headers=headers or {})


def read(api: Api, thread_id: str) -> dict[str, Any]:
    answer = api.http.get(f"/threads/{thread_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_gone(api: Api, path: str) -> bool:
    return api.http.get(path).status_code == 404


def test_an_empty_thread(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """It is there before its first run, which goes on with nothing; nobody makes it twice."""
    said = {"title": "A lamp", "ticket": key}
    made = create(api, thread_id=thread_id, metadata=said)
    assert made.status_code == 201
    assert made.headers["location"] == f"/threads/{thread_id}"
    assert made.json() == read(api, thread_id)
    assert (made.json()["metadata"], made.json()["message_count"]) == (said, 0)
    again = create(api, thread_id=thread_id)
    assert (again.status_code, again.json()["type"]) == (409, "thread-exists")
    model.script(key, [text("hello")])
    api.run("tester", key, thread_id=thread_id, after_run="none")
    assert [message["content"] for message in api.messages(thread_id)] == [key, "hello"]
    assert read(api, thread_id)["metadata"] == said


def test_a_repeated_request(api: Api, key: str) -> None:
    """The same key with the same body is the same thread; with another body it is refused."""
    headers = {"Idempotency-Key": key}
    first = create(api, headers, metadata={"a": "1"})
    assert create(api, headers, metadata={"a": "1"}).json() == first.json()
    assert create(api, headers, metadata={"a": "2"}).status_code == 409
    assert create(api).json()["thread_id"] != create(api).json()["thread_id"]


def test_metadata(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """It is changed name by name, while a run holds the thread, too, and lists look for it."""
    gate = Gate()
    model.script(key, [text("hello", gate=gate)])
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    path = f"/threads/{thread_id}"
    changed = api.http.patch(path, json={"metadata": {"title": "A", "ticket": key, "x": "1"}})
    assert changed.status_code == 200, changed.text
    changed = api.http.patch(path, json={"metadata": {"title": "B", "x": None}})
    assert changed.json()["metadata"] == {"title": "B", "ticket": key}
    gate.open()
    api.result(run_id)

    def found(**params: str) -> list[dict[str, Any]]:
        return api.http.get("/threads", params=params).json()["items"]

    assert [item["thread_id"] for item in found(**{"metadata.ticket": key})] == [thread_id]
    assert found(**{"metadata.ticket": key})[0] == read(api, thread_id)
    assert found(**{"metadata.ticket": key, "metadata.title": "A"}) == []
    large = api.http.patch(path, json={"metadata": {"y": "y" * 17_000}})
    assert (large.status_code, large.json()["type"]) == (422, "invalid-request")
    assert read(api, thread_id)["metadata"] == {"title": "B", "ticket": key}
    assert api.http.patch("/threads/nobody", json={}).status_code == 404


def test_expiry(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """A thread is forgotten some time after its last run, and never while one holds it."""
    gate = Gate()
    model.script(key, [text("hello", gate=gate)])
    assert create(api, thread_id=thread_id, expires_after_s=1).json()["expires_at"]
    short = create(api, thread_id=f"{thread_id}-2", expires_after_s=1).json()["thread_id"]
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    wait_until(lambda: is_gone(api, f"/threads/{short}"), "the idle thread to be forgotten")
    busy = read(api, thread_id)
    assert (busy["status"], busy["expires_at"]) == ("busy", None)
    gate.open()
    api.result(run_id)
    wait_until(lambda: is_gone(api, f"/threads/{thread_id}"), "the thread to be forgotten")
    assert api.get(run_id)["output"] == "hello"


def test_another_expiry(api: Api, thread_id: str) -> None:
    """What was said last counts: later, sooner, or never."""
    path = f"/threads/{thread_id}"
    create(api, thread_id=thread_id, expires_after_s=3600)
    assert api.http.patch(path, json={"expires_after_s": None}).json()["expires_at"] is None
    stays = create(api, thread_id=f"{thread_id}-stays", expires_after_s=1).json()["thread_id"]
    assert api.http.patch(f"/threads/{stays}", json={"expires_after_s": 3600}).status_code == 200
    api.http.patch(path, json={"expires_after_s": 1})
    wait_until(lambda: is_gone(api, path), "the thread to be forgotten")
    assert read(api, stays)["expires_at"]


def test_a_killed_holder(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A run that was killed holds up no thread's end."""
    gate = Gate()
    model.script(key, [text("hello", gate=gate)])
    create(api, thread_id=thread_id, expires_after_s=1)
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    stack.administer(run_id, "kill")
    wait_until(lambda: is_gone(api, f"/threads/{thread_id}"), "the thread to be forgotten")
    gate.open()


def test_deleting_a_run(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """One that has ended is gone with all of it; what it said on a thread stays there."""
    gate = Gate()
    model.script(key, [call("note", text="a"), text("hello", gate=gate)])
    run_id = api.start("tester", key, {"Idempotency-Key": key}, thread_id=thread_id)
    path = f"/runs/{run_id}"
    refused = api.http.delete(path)
    assert (refused.status_code, refused.json()["type"]) == (409, "run-not-ended")
    gate.open()
    api.result(run_id)
    assert api.http.delete(path).status_code == 204
    assert is_gone(api, path)
    assert is_gone(api, f"{path}/events")
    assert api.http.delete(path).status_code == 404
    listed = api.http.get("/runs", params={"thread_id": thread_id}).json()["items"]
    assert listed == []
    assert api.messages(thread_id)[-1]["content"] == "hello"
    model.script(f"{key} more", [text("ok")])
    api.run("tester", f"{key} more", thread_id=thread_id)


def test_deleting_a_killed_run(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """It is not forgotten before its thread has what it said."""
    model.script(key, [call("note", text="a"), call("hold", gate=key)])
    run_id = api.start("tester", key, thread_id=thread_id)
    stack.wait_for_effects(1, tool="hold", gate=key)
    stack.administer(run_id, "kill")
    api.wait_for_status(run_id, "failed")
    wait_until(lambda: api.http.delete(f"/runs/{run_id}").status_code == 204, "its deletion")
    stack.open_gate(key)
    assert api.messages(thread_id)[0]["content"] == key


def test_deleting_a_thread_with_its_runs(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """What has ended is gone; a thread that a run holds is refused, with nothing lost."""
    gate = Gate()
    model.script(f"{key} quick", [text("ok")])
    model.script(f"{key} held", [text("late", gate=gate)])
    runs = [api.run("tester", f"{key} quick", thread_id=thread_id)["run_id"] for _ in range(3)]
    other = api.run("tester", f"{key} quick", thread_id=f"{thread_id}-2")["run_id"]
    held = api.start("tester", f"{key} held", thread_id=thread_id)
    path = f"/threads/{thread_id}"
    assert api.http.delete(path, params={"runs": "true"}).status_code == 409
    assert all(not is_gone(api, f"/runs/{run_id}") for run_id in runs)
    gate.open()
    api.result(held)
    assert api.http.delete(path, params={"runs": "true"}).status_code == 204
    assert all(is_gone(api, f"/runs/{run_id}") for run_id in [*runs, held])
    assert is_gone(api, path)
    assert not is_gone(api, f"/runs/{other}")
    assert api.http.delete(path, params={"runs": "true"}).status_code == 404
