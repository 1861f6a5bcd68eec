"""What tool calls do in a run: side by side, isolated, and never fatal."""

import json

import pytest

from fakes.agents import LEAKED
from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, Reply, call, calls, raw_call, text
from fakes.stack import TestStack


def _results(run: dict) -> list[str]:
    return [m["content"] for m in run["messages"] if m["role"] == "tool"]


def test_calls_of_a_turn_run_side_by_side(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """All calls of a turn are under way at once; events tell the order in which they ended."""
    gates = [f"{key} {index}" for index in range(3)]
    model.script(
        key,
        [
            calls(
                call("hold", gate=gates[0]),
                call("hold_sync", gate=gates[1]),
                call("hold", gate=gates[2]),
            ),
            text("ok"),
        ],
    )
    run_id = api.start("tester", key)
    for gate in gates:
        stack.wait_for_effects(1, gate=gate)
    for index in (2, 0, 1):
        stack.open_gate(gates[index])
        stack.wait_for_effects(1, passed=gates[index])
    run = api.result(run_id)
    events = api.events(run_id)
    assert_events_are_whole(events, run)
    ended = [event["call_id"] for event in events if event["type"] == "tool_call.completed"]
    assert ended == ["1.2", "1.0", "1.1"]
    assert _results(run) == [f"{gate} is open" for gate in gates]
    assert len(stack.effects(key=f"{run_id}:1.0", gate=gates[0])) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(call("nosuch", x=1), "There is no tool 'nosuch'. The tools are:", id="name"),
        pytest.param(
            raw_call("note", '{"text": "a'), "The arguments of note can't be read", id="json"
        ),
        pytest.param(call("note", wrong=1), "text: Field required", id="arguments"),
        pytest.param(call("fail", text="boom"), "The tool fail failed: ValueError", id="exception"),
        pytest.param(call("slow", seconds=9), "did not finish within 0.3 s", id="timeout"),
        pytest.param(call("big", size=300_000), "at most 262144 can be read", id="size"),
    ],
)
def test_failed_call_is_told_to_the_model(
    api: Api, model: ScriptedModel, key: str, asked: Reply, told: str
) -> None:
    """Whatever is wrong with a call, the model reads it and the run goes on; siblings too."""
    model.script(key, [calls(asked, call("note", text="sibling")), text("I see.")])
    run = api.run("tester", key)
    assert (run["status"], run["output"]) == ("completed", "I see.")
    assert told in _results(run)[0]
    assert _results(run)[1] == "noted sibling"
    results = [m for m in model.requests(key, 2)[0].messages if m["role"] == "tool"]
    assert told in results[0]["content"]
    assert_valid_conversation(run["messages"])
    completed = [e for e in api.events(run["run_id"]) if e["type"] == "tool_call.completed"]
    assert {e["call_id"]: e["is_error"] for e in completed} == {"1.0": True, "1.1": False}


def test_garbled_arguments_go_back_as_valid_json(api: Api, model: ScriptedModel, key: str) -> None:
    """A provider refuses a conversation with broken JSON in it, so what goes back is whole."""
    model.script(key, [raw_call("note", '{"text": "a'), text("ok")])
    api.run("tester", key)
    assistant = model.requests(key, 2)[0].messages[-2]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {}


def test_text_of_an_exception_is_for_the_model(api: Api, model: ScriptedModel, key: str) -> None:
    """It may hold secrets: no client reads it, wherever it looks; the model does, later, too."""
    thread_id, gate = key.replace(" ", "-"), Gate()
    model.script(key, [call("leak"), text("I see.", gate=gate)])
    model.script(f"{key} more", [text("ok")])
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key, turn=2)
    goes_on = api.http.get(f"/runs/{run_id}").text
    gate.open()
    api.result(run_id)
    api.run("tester", f"{key} more", thread_id=thread_id)
    paths = (f"/runs/{run_id}", f"/threads/{thread_id}/messages", f"/runs/{run_id}/events")
    seen = [goes_on, *(api.http.get(path).text for path in paths)]
    assert not [answer for answer in seen if LEAKED in answer]
    shown = "The tool leak failed: ConnectionError. The worker's log says more."
    assert all(shown in answer for answer in seen)
    for request in (model.requests(key)[-1], model.requests(f"{key} more")[-1]):
        [result] = [m["content"] for m in request.messages if m["role"] == "tool"]
        assert result == f"The tool leak failed: ConnectionError: {LEAKED}"


def test_exception_is_logged_with_its_trace(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The model gets a line; the trace is in the worker's log."""
    model.script(key, [call("fail", text=key), text("ok")])
    run = api.run("tester", key)
    logged = [e for e in stack.logged("tool_failed") if e["run_id"] == run["run_id"]]
    assert "Traceback" in logged[0]["exception"]


def test_blocking_tool_is_logged_by_name(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """An async tool that holds up the loop is found out."""
    before = len(stack.logged("event_loop_blocked"))
    model.script(key, [call("block", seconds=1.5), text("ok")])
    api.run("tester", key)
    assert "tool block" in {e["by"] for e in stack.logged("event_loop_blocked")[before:]}


def test_sync_tools_do_not_stall_other_runs(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Twenty sync tools that wait leave the loop free for another run."""
    held = [call("hold_sync", gate=key)] * 20
    model.script(f"{key} held", [calls(*held), text("ok")])
    model.script(f"{key} free", [call("note", text="a"), text("free")])
    run_id = api.start("tester", f"{key} held")
    stack.wait_for_effects(20, gate=key)
    assert api.run("tester", f"{key} free")["output"] == "free"
    stack.open_gate(key)
    assert api.result(run_id)["status"] == "completed"


def test_tool_has_the_same_key_in_every_execution(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The idempotency key follows from run, turn and index."""
    model.script(key, [call("note", text=key), call("note", text=key), text("ok")])
    run = api.run("tester", key)
    keys = [trace["key"] for trace in stack.effects(text=key)]
    assert keys == [f"{run['run_id']}:1.0", f"{run['run_id']}:2.0"]


def test_an_image_in_a_result(api: Api, model: ScriptedModel, key: str) -> None:
    """The conversation and the events have it; the model is shown it after the result."""
    model.script(key, [call("chart", title="rain"), text("I see.")])
    run = api.run("tester", key)
    parts = [
        {"type": "text", "text": "The chart of rain:"},
        {"type": "image", "url": "data:image/png;base64,cG5n"},
    ]
    assert run["messages"][2]["content"] == parts
    [done] = [e for e in api.events(run["run_id"]) if e["type"] == "tool_call.completed"]
    assert (done["output"], done["parts"]) == ("The chart of rain:\n(an image)", parts)
    *_, result, shown = model.requests(key)[-1].messages
    assert result["content"] == "The chart of rain:\n(The image 1 below belongs here.)"
    assert shown["content"] == [{"type": "image_url", "image_url": {"url": parts[1]["url"]}}]
