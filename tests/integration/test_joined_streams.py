"""One stream of a run and of all runs below it: whole, in order, resumed at any event."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.joined_follower import JoinedFollower, assert_joined
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from outlast.names import child_run_id


def ask(key: str, tool: str = "ask") -> Any:
    return call(tool, input=key)


def child_of(run_id: str, call_id: str = "1.0", agent: str = "tester") -> str:
    return child_run_id(agent, run_id, call_id)


def script_team(model: ScriptedModel, key: str) -> None:
    """Have a chief call a lead, who calls two of which one uses a tool, twice beside a tool."""
    model.script(f"{key} chief", [ask(f"{key} lead", "lead"), text("Top.")])
    asked = calls(ask(f"{key} child"), call("note", text="x"), ask(f"{key} other"))
    model.script(f"{key} lead", [asked, ask(f"{key} last"), text("Middle.")])
    model.script(f"{key} child", [call("note", text="y"), text("child")])
    model.script(f"{key} other", [text("other")])
    model.script(f"{key} last", [text("last")])


def team_of(run_id: str) -> list[str]:
    lead = child_of(run_id, agent="lead")
    return [run_id, lead, *(child_of(lead, call_id) for call_id in ("1.0", "1.2", "2.0"))]


def test_resumed_anywhere(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """All events of all runs come once; whoever goes on after any of them gets the rest."""
    script_team(model, key)
    run_id = api.start("chief", f"{key} chief")
    with JoinedFollower(stack.app_url, run_id) as follower:
        follower.wait_for_end()
    committed, run_ids = follower.committed, team_of(run_id)
    assert_joined(committed, run_ids, api)
    assert all("seq" not in event for event in follower.events if "id" not in event)
    path = f"/runs/{run_id}/events"
    for cut in range(1, len(committed), 4):  # anywhere else: tests/unit/app/runs/test_join.py
        with JoinedFollower(stack.app_url, run_id, committed[cut - 1]["id"]) as rest:
            rest.wait_for_end()
        assert_joined([*committed[:cut], *rest.committed], run_ids, api)
    done = {"Last-Event-ID": committed[-1]["id"]}
    assert api.http.get(path, params={"children": "true"}, headers=done).status_code == 204
    plain = api.events(run_id)
    assert {event["run_id"] for event in plain} == {run_id}
    gone = api.http.get("/runs/chief.aaaaaaaaaaaaaaaaaaaaaaaaaa/events?children=true")
    assert (gone.status_code, gone.json()["type"]) == (404, "unknown-run")


def test_live_events_of_children(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """What a child's model is saying is shown as it comes, in the stream of the run above."""
    gate = Gate(after_chunks=4)
    model.script(f"{key} boss", [ask(f"{key} child"), text("Done.")])
    model.script(f"{key} child", [text("one two three four five", gate=gate)])
    run_id = api.start("lead", f"{key} boss")
    with JoinedFollower(stack.app_url, run_id) as follower:
        child = child_of(run_id)
        follower.wait_for_text(child, "one two three")
        with JoinedFollower(stack.app_url, run_id, follower.committed[-1]["id"]) as late:
            late.wait_for_text(child, "one two three")
            gate.open()
            late.wait_for_end()
        follower.wait_for_end()
    assert_joined(follower.committed, [run_id, child], api)


@pytest.mark.parametrize("ending", ["killed", "cancelled"])
def test_ends_come_before_what_follows_them(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, ending: str
) -> None:
    """A child's end, made up if need be, comes before its caller's word of it, and its end."""
    gate = Gate()
    model.script(f"{key} boss", [ask(f"{key} child"), text("So be it.")])
    model.script(f"{key} child", [call("note", text="x"), text("never", gate=gate)])
    run_id = api.start("lead", f"{key} boss")
    child = child_of(run_id)
    with JoinedFollower(stack.app_url, run_id) as follower:
        model.wait_for(f"{key} child", turn=2)
        if ending == "killed":
            stack.administer(child, "kill")
        else:
            api.cancel(run_id)
        follower.wait_for_end()
    gate.open()
    kinds = [(event["run_id"], event["type"]) for event in follower.committed]
    if ending == "killed":
        assert kinds.index((child, "run.failed")) < kinds.index((run_id, "tool_call.completed"))
        [made_up] = [e for e in follower.committed if e["type"] == "run.failed"]
        assert made_up["run"]["error"]["type"] == "killed"
    else:
        assert kinds[-2:] == [(child, "run.cancelled"), (run_id, "run.cancelled")]
    assert_joined(follower.committed, [run_id, child], api)
    for cut in range(len(kinds) - 6, len(kinds)):
        position = follower.committed[cut - 1]["id"]
        with JoinedFollower(stack.app_url, run_id, position) as rest:
            rest.wait_for_end()
        assert [*follower.committed[:cut], *rest.committed] == follower.committed
