"""Webhooks: told of a run in order and at least once, whatever the receiver does."""

import base64
import hashlib
import hmac
import threading
from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.receiver import NEXT_SECRET, SECRET, Received, Receiver, Says
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def deliveries(api: Api, run_id: str) -> list[dict[str, Any]]:
    answer = api.http.get(f"/runs/{run_id}/webhooks")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def wait_for_delivery(api: Api, run_id: str, status: str) -> dict[str, Any]:
    """Wait until what was told of the run's end has come so far."""

    def there() -> dict[str, Any] | None:
        ended = [each for each in deliveries(api, run_id) if each["event"] == "run.ended"]
        return ended[-1] if ended and ended[-1]["status"] == status else None

    return wait_until(there, f"the delivery of the end to be {status}")


def signature(secret: str, request: Received) -> str:
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def test_waits_and_ends(api: Api, model: ScriptedModel, receiver: Receiver, key: str) -> None:
    """A receiver hears of each wait and of the end, in order, with what it needs to go on."""
    model.script(key, [call("pay", cents=1), text("done")])
    webhooks = [receiver.webhook(key, secret="both")]
    run_id = api.start("tester", key, webhooks=webhooks, metadata={"ticket": "4711"})
    [waiting] = receiver.wait_for(key)
    assert waiting.what == "run.waiting waiting"
    data = waiting.event["data"]
    assert data["approvals"] == [{"run_id": run_id, "id": "1.0"}]
    assert (data["calls"], data["run"]["approvals"], data["run"]["messages"]) == ([], [], None)
    assert data["run"]["metadata"] == {"ticket": "4711"}
    assert (data["run"]["waiting_for"], data["run"]["segment"]) == ("approval", 2)
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    _, ended = receiver.wait_for(key, 2)
    assert ended.what == "run.ended completed"
    run = api.result(run_id)
    told = ended.event["data"]["run"]
    assert (told["output"], told["usage"]) == ("done", run["usage"])
    assert ended.event["timestamp"] == run["ended_at"]
    for request in (waiting, ended):
        signatures = request.headers["webhook-signature"].split(" ")
        assert signatures == [signature(NEXT_SECRET, request), signature(SECRET, request)]
        assert request.headers["webhook-id"] == request.event["id"]
    wait_for_delivery(api, run_id, "delivered")
    found = deliveries(api, run_id)
    assert [each["event"] for each in found] == ["run.waiting", "run.ended"]
    assert [each["id"] for each in found] == [waiting.event["id"], ended.event["id"]]
    assert [each["attempts"] for each in found] == [1, 1]
    assert run["webhooks"][0]["url"] == receiver.url(key)
    assert len(receiver.received(key)) == 2


def test_only_what_is_wanted(api: Api, model: ScriptedModel, receiver: Receiver, key: str) -> None:
    """Each webhook hears of its own events, and a run that fails is told of as well."""
    model.script(key, [text("", finish_reason="content_filter")])
    waits = receiver.webhook(f"{key} w", events=["run.waiting"])
    ends = receiver.webhook(f"{key} e", events=["run.ended"])
    run_id = api.run("tester", key, webhooks=[waits, ends])["run_id"]
    [ended] = receiver.wait_for(f"{key} e")
    assert ended.what == "run.ended incomplete"
    wait_for_delivery(api, run_id, "delivered")
    assert not receiver.received(f"{key} w")


def test_a_receiver_that_is_down(
    api: Api, model: ScriptedModel, receiver: Receiver, key: str
) -> None:
    """It hears late, and in order; neither the run nor another webhook waits for it."""
    held = threading.Event()
    receiver.script(f"{key} down", Says(held=held), Says(500), Says(302, {"location": "/x"}))
    model.script(key, [call("pay", cents=1), text("done")])
    down, up = receiver.webhook(f"{key} down"), receiver.webhook(f"{key} up")
    run_id = api.start("tester", key, webhooks=[down, up])
    receiver.wait_for(f"{key} up")
    receiver.wait_for(f"{key} down")
    api.decide(run_id, "1.0", "approve")
    assert api.result(run_id)["status"] == "completed"
    receiver.wait_for(f"{key} up", 2)
    pending = [each for each in deliveries(api, run_id) if each["status"] == "pending"]
    assert [each["event"] for each in pending] == ["run.waiting"]
    held.set()

    def told() -> bool:
        found = deliveries(api, run_id)
        return [each["status"] for each in found] == ["delivered"] * 4

    wait_until(told, "all to be told")
    whats = [request.what for request in receiver.received(f"{key} down")]
    assert list(dict.fromkeys(whats)) == ["run.waiting waiting", "run.ended completed"]


def test_gone_and_again(api: Api, model: ScriptedModel, receiver: Receiver, key: str) -> None:
    """After a 410 the run's webhook is told nothing more, until somebody asks for it."""
    receiver.script(key, Says(410))
    model.script(key, [call("pay", cents=1), text("done")])
    run_id = api.start("tester", key, webhooks=[receiver.webhook(key)])
    receiver.wait_for(key)
    api.decide(run_id, "1.0", "approve")
    api.result(run_id)
    last = wait_for_delivery(api, run_id, "given_up")
    assert (last["event"], last["attempts"]) == ("run.ended", 0)
    assert "answered 410 before" in last["last_error"]
    first = deliveries(api, run_id)[0]
    assert (first["status"], first["response_status"]) == ("given_up", 410)
    again = api.http.post(f"/runs/{run_id}/webhooks/{last['id']}/redeliver")
    assert (again.status_code, again.json()["status"]) == (202, "pending"), again.text
    assert receiver.wait_for(key, 2)[-1].event["id"] == last["id"]
    assert wait_for_delivery(api, run_id, "delivered")["attempts"] == 1
    unknown = api.http.post(f"/runs/{run_id}/webhooks/msg_{'a' * 26}/redeliver")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "unknown-delivery")


@pytest.mark.parametrize("thread", [False, True])
def test_cancelled(
    api: Api, model: ScriptedModel, receiver: Receiver, key: str, *, thread: bool
) -> None:
    """A run that is cancelled tells so itself, on a thread or not."""
    gate = Gate()
    model.script(key, [text("late", gate=gate)])
    thread_id = key.replace(" ", "-") if thread else None
    webhooks = [receiver.webhook(key)]
    run_id = api.start("tester", key, webhooks=webhooks, thread_id=thread_id)
    model.wait_for(key)
    api.cancel(run_id)
    [ended] = receiver.wait_for(key)
    assert ended.what == "run.ended cancelled"
    gate.open()


def test_killed_in_restate(
    api: Api, stack: TestStack, model: ScriptedModel, receiver: Receiver, key: str
) -> None:
    """A run that somebody kills can't say so, and its webhooks hear of it all the same, once."""
    gate = Gate()
    model.script(key, [text("late", gate=gate)])
    run_id = api.start("tester", key, webhooks=[receiver.webhook(key)])
    model.wait_for(key)
    stack.administer(run_id, "kill")
    [ended] = receiver.wait_for(key)
    assert ended.what == "run.ended failed"
    assert ended.event["data"]["run"]["error"]["type"] == "killed"
    gate.open()
    assert wait_for_delivery(api, run_id, "delivered")["attempts"] == 1


def test_forgotten_with_the_run(
    api: Api, stack: TestStack, model: ScriptedModel, receiver: Receiver, key: str
) -> None:
    """What webhooks were told is forgotten when the run is."""
    model.script(key, [text("done")])
    run_id = api.run("tester", key, webhooks=[receiver.webhook(key)])["run_id"]
    wait_for_delivery(api, run_id, "delivered")
    assert api.http.delete(f"/runs/{run_id}").status_code == 204
    left = f"SELECT key FROM state WHERE service_key = 'default/{run_id}/0'"
    wait_until(lambda: not stack.query(left), "what webhooks were told to be forgotten")
    assert api.http.get(f"/runs/{run_id}/webhooks").status_code == 404


def test_who_may_not_be_told(api: Api, receiver: Receiver, key: str) -> None:
    """It is refused at the door, by field, and no run is started."""
    refused = [
        ({"url": "https://evil.example/", "secret": "main"}, "url"),
        ({"url": "http://hooks.example.org/", "secret": "main"}, "url"),
        ({"url": receiver.url(key), "secret": "none"}, "secret"),
    ]
    for webhook, field in refused:
        answer = api.post("tester", key, webhooks=[webhook])
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == f"body.webhooks.0.{field}"
    unknown = receiver.webhook(key, events=["run.started"])
    assert api.post("tester", key, webhooks=[unknown]).status_code == 422
