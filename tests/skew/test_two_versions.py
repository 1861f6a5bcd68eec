"""A rolling release, in each order: app and worker of two versions serve the same runs."""

from collections.abc import Iterator

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.waiting import wait_until
from skew.conftest import OlderVersion, SkewedStack


@pytest.fixture(scope="module", params=["app", "worker"])
def older_part(request: pytest.FixtureRequest) -> str:
    """Which part of the stack is older than the other."""
    return request.param


@pytest.fixture(scope="module")
def api(
    older_part: str,
    tmp_path_factory: pytest.TempPathFactory,
    model: ScriptedModel,
    older: OlderVersion,
) -> Iterator[Api]:
    """A client of a stack of which one part is older."""
    folder = tmp_path_factory.mktemp("skew")
    with SkewedStack(folder, model, older, {older_part}) as stack, Api(stack.app_url) as client:
        yield client


def test_runs(api: Api, model: ScriptedModel, key: str) -> None:
    """Starts, reads, streams, conversations, steering and cancelling work."""
    thread_id = key.replace(" ", "-")
    model.script(key, [call("note", text=key), text("ok")])
    run = api.run("teller", key, thread_id=thread_id, metadata={"ticket": "7"})
    assert (run["status"], run["output"], run["metadata"]) == ("completed", "ok", {"ticket": "7"})
    assert_events_are_whole(api.events(run["run_id"]), run)
    messages = wait_until(
        lambda: found if (found := api.messages(thread_id)) else None, "the conversation"
    )
    assert_valid_conversation(messages)
    listed = api.http.get("/runs").json()["items"]
    assert run["run_id"] in [item["run_id"] for item in listed]


def test_steered_and_cancelled(api: Api, model: ScriptedModel, key: str) -> None:
    gate = Gate()
    model.script(f"{key} start", [text("done", gate=gate)])
    model.script(f"{key} more", [text("ok", gate=Gate())])
    run_id = api.start("teller", f"{key} start")
    model.wait_for(f"{key} start")
    assert api.steer(run_id, f"{key} more").status_code == 202
    gate.open()
    model.wait_for(f"{key} more")
    assert api.cancel(run_id).status_code == 202
    assert api.result(run_id)["status"] == "cancelled"


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_decisions(api: Api, model: ScriptedModel, key: str, action: str, older_part: str) -> None:
    """A person is asked, and what they decide is done."""
    model.script(key, [call("pay", cents=7), text("ok")])
    asked = api.post("teller", key)
    assert asked.status_code == 202, asked.text
    run_id = asked.json()["run_id"]
    [approval] = api.wait_for_approval(run_id)["approvals"]
    assert approval["arguments"] == {"cents": 7}
    if older_part == "worker":  # an older app does not know where newer workers keep what waits
        inbox = api.http.get("/approvals").json()["items"]
        assert run_id in [item["run_id"] for item in inbox]
    answer = api.decide(run_id, approval["call_id"], action, by="alice")
    assert answer.status_code == 200, answer.text
    run = api.result(run_id)
    assert run["output"] == "ok"
    [decided] = [approval["resolution"] for approval in run["approvals"]]
    assert decided["by"] in ("alice", {"key": None, "said": "alice"})  # the former of an older app
    [told] = [m["content"] for m in run["messages"] if m["role"] == "tool"]
    assert (told == "paid 7") == (action == "approve")
    assert_events_are_whole(api.events(run_id), run)
