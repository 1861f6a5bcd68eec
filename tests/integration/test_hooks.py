"""Hooks, guardrails, and instructions that a function makes, on a real Restate."""

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.follower import Follower
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, hang, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def _called(stack: TestStack, run_id: str) -> list[str]:
    return [trace["hook"] for trace in stack.effects(run=run_id)]


def test_each_in_a_step_of_its_own(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Each is called once where its name says; clients and model see what it let through."""
    model.script(key, [call("charge", cents=5), text("done")])
    run = api.run("guarded", f"{key} card 4711", context={"what": "cards"})
    assert run["output"] == "done"
    assert _called(stack, run["run_id"]) == [
        *("instructions", "before_model", "after_model", "before_tool", "after_tool"),
        *("before_model", "after_model", "on_end completed"),
    ]
    first, second = model.requests(key)
    assert first.messages[0]["content"] == "Guard cards."
    assert first.messages[1]["content"] == f"{key} card ****"
    assert second.messages[-1]["content"] == "charged 5 to ****"
    assert run["messages"][0]["content"] == f"{key} card 4711"
    assert run["messages"][2]["content"] == "charged 5 to ****"
    assert_events_are_whole(api.events(run["run_id"]), run)


def test_what_they_want_of_calls(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Refused, answered, changed, or asked of a person, all in one turn."""
    amounts = (13, 60, 1000, 50, 7)
    model.script(key, [calls(*(call("charge", cents=cents) for cents in amounts)), text("done")])
    run_id = api.start("guarded", key)
    [approval] = api.wait_for_approval(run_id)["approvals"]
    assert (approval["call_id"], approval["question"]) == ("1.3", "Is fifty right?")
    for arguments, why in (
        ({"cents": 13}, "check_call: Not thirteen."),
        ({"cents": 1000}, 'would change them to {"cents": 999}'),
        ({"cents": 60}, "check_call: paid long ago"),
        ({"cents": 666}, "check_call: ValueError. The worker's log says more"),
        ({"cents": "much"}, "valid integer"),
    ):
        refused = api.decide(run_id, "1.3", "approve", arguments=arguments)
        assert refused.status_code == 422
        assert why in refused.json()["errors"][0]["message"]
    assert api.decide(run_id, "1.3", "approve", arguments={"cents": 51}).status_code == 200
    run = api.wait_for_status(run_id, "completed")
    results = [m["content"] for m in run["messages"] if m["role"] == "tool"]
    assert results == [
        "Not thirteen.",
        "paid long ago",
        "charged 999 to ****",
        "charged 51 to ****",
        "charged 7 to ****",
    ]
    charged = [e["cents"] for e in stack.effects(tool="charge") if e["key"].startswith(run_id)]
    assert sorted(charged) == [7, 51, 999]
    assert_events_are_whole(api.events(run_id), run)


def test_answers_that_nobody_sees(api: Api, model: ScriptedModel, key: str) -> None:
    """What a hook gives back or refuses is not streamed before."""
    model.script(key, [text("rude")])
    with model.scripted("Be polite.", [text("vile")]):
        run_id = api.start("guarded", key)
        with Follower([str(api.http.base_url)], run_id) as follower:
            follower.wait_for_end()
    run = api.get(run_id)
    assert (run["status"], run["error"]["type"]) == ("failed", "guardrail")
    assert run["error"]["message"] == "check_answer: It was vile."
    assert not follower.of("message.delta")
    assert "vile" not in str([m["content"] for m in run["messages"]])


def test_a_hook_that_fails(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The run fails and names it; its thread goes on with a valid conversation."""
    thread_id = key.replace(" ", "-")
    model.script(f"{key} one", [call("charge", cents=666)])
    run = api.run("guarded", f"{key} one", thread_id=thread_id)
    assert (run["status"], run["error"]["type"]) == ("failed", "hook-failed")
    assert run["error"]["message"].startswith(
        "The hook check_call (before_tool) failed: ValueError"
    )
    assert "devil" not in str(run)
    model.script(f"{key} two", [text("ok")])
    assert api.run("guarded", f"{key} two 4711", thread_id=thread_id)["output"] == "ok"
    assert_valid_conversation(api.messages(thread_id))
    model.script(f"{key} three", [text("ok")])
    api.run("guarded", f"{key} three", thread_id=thread_id)
    said = [message["content"] for message in model.requests(f"{key} three")[0].messages]
    assert f"{key} two ****" in said
    assert f"{key} two 4711" in [message["content"] for message in api.messages(thread_id)]


def test_cancelled_in_a_hook(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A hook is broken off, and the end is told of."""
    model.script(key, [hang()])
    run_id = api.start("guarded", key, metadata={"before_model_gate": key})
    wait_until(lambda: "before_model" in _called(stack, run_id), "the hook")
    assert api.cancel(run_id).status_code == 202
    api.wait_for_status(run_id, "cancelled")
    assert _called(stack, run_id)[-1] == "on_end cancelled"
    assert not model.count(key)
    stack.open_gate(key)
