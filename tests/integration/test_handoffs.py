"""Runs that are handed over: the other agent's definition and tools, in the same run."""

from typing import Any

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

TO_OFFICE = call("transfer_to_office")
TO_COURIER = call("transfer_to_courier")


def look(api: Api, run_id: str, what: str) -> dict[str, Any]:
    answer = api.http.get(f"/runs/{run_id}/{what}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def tools(shown: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in shown["tools"]]


def speakers(run: dict[str, Any]) -> list[str]:
    return [message["agent"] for message in run["messages"] if message["agent"]]


def test_a_handoff(api: Api, model: ScriptedModel, stack: TestStack, key: str) -> None:
    """The run goes on as the other agent; how each turn was made can be looked at."""
    model.script(
        key, [calls(TO_OFFICE, call("note", text="x")), call("note", text="y"), text("Done.")]
    )
    run = api.run("front", key)
    assert (run["agent"], run["handed_over_to"], run["output"]) == ("front", "office", "Done.")
    assert speakers(run) == ["front", "office", "office"]
    # The office has no such tool, though the front has.
    assert [trace["text"] for trace in stack.effects(key=f"{run['run_id']}:1.1")] == ["x"]
    assert not stack.effects(key=f"{run['run_id']}:2.0")
    [handoff] = [each for each in api.events(run["run_id"]) if each["type"] == "handoff"]
    assert (handoff["from"], handoff["to"], handoff["call_id"]) == ("front", "office", "1.0")
    systems = [request.messages[0]["content"] for request in model.requests(key)]
    assert systems == ["You are the front.", *["You are the office."] * 2]
    one, two = (look(api, run["run_id"], f"turns/{turn}/prompt") for turn in (1, 2))
    assert (one["agent"], one["instructions"]) == ("front", "You are the front.")
    assert (two["agent"], two["instructions"]) == ("office", "You are the office.")
    assert tools(one) == ["note", "transfer_to_office", "transfer_to_courier"]
    assert tools(two) == ["hold", "pay", "transfer_to_front"]
    definition = look(api, run["run_id"], "definition")
    assert (definition["agent"], tools(definition)) == ("office", tools(two))
    listed = api.http.get("/runs", params={"agent": "front", "limit": 100}).json()["items"]
    assert [each["handed_over_to"] for each in listed if each["run_id"] == run["run_id"]] == [
        "office"
    ]


def test_people_of_who_took_over(api: Api, model: ScriptedModel, key: str) -> None:
    """What a person writes in place of its arguments is checked by the tool of who speaks now."""
    model.script(key, [TO_OFFICE, call("pay", cents=5), text("Paid.")])
    answer = api.post("front", key)  # which may ask people, by who takes over
    assert answer.status_code == 202, answer.text
    run_id = answer.json()["run_id"]
    assert api.wait_for_approval(run_id)["handed_over_to"] == "office"
    assert api.decide(run_id, "2.0", "approve", arguments={"cents": "many"}).status_code == 422
    assert api.decide(run_id, "2.0", "approve", arguments={"cents": 7}).status_code == 200
    run = api.wait_for_status(run_id, "completed")
    assert [m["content"] for m in run["messages"] if m["role"] == "tool"] == [
        "office has taken over, and goes on from here.",
        "paid 7",
    ]


def test_durable_tools_of_who_took_over(
    api: Api, model: ScriptedModel, stack: TestStack, key: str
) -> None:
    """They are carried out as that agent's, and signals to the run reach them."""
    model.script(key, [TO_COURIER, call("deliver", parcel=key), text("Delivered.")])
    run_id = api.start("front", key)
    wait_until(lambda: api.get(run_id)["waiting_for"] == "signal", "a signal")
    assert api.http.post(f"/runs/{run_id}/signals/paid", json={"cents": 5}).status_code == 200
    run = api.wait_for_status(run_id, "completed")
    assert (run["output"], run["handed_over_to"]) == ("Delivered.", "courier")
    assert len(stack.effects(parcel=key, step="weigh")) == 1


def test_a_thread_remembers(api: Api, model: ScriptedModel, key: str) -> None:
    """Its next run of that agent begins with who took over, unless that is taken back."""
    thread_id = key.replace(" ", "-")

    def run(name: str, *answers: Any, agent: str = "front") -> dict[str, Any]:
        model.script(f"{key} {name}", list(answers))
        return api.run(agent, f"{key} {name}", thread_id=thread_id)

    gate = Gate()
    model.script(f"{key} one", [TO_OFFICE, text("I am the office.", gate=gate)])
    first = api.start("front", f"{key} one", thread_id=thread_id)
    model.wait_for(f"{key} one", turn=2)
    model.script(f"{key} two", [text("Still.")])
    queued = api.start("front", f"{key} two", thread_id=thread_id)
    gate.open()
    assert speakers(api.result(first)) == ["front", "office"]
    second = api.result(queued)
    assert (speakers(second), second["handed_over_to"]) == (["office"], "office")
    [started] = [each for each in api.events(queued) if each["type"] == "run.started"]
    assert started["agent"] == "office"
    assert speakers(run("three", text("Hello."), agent="tester")) == ["tester"]
    back = run("four", call("transfer_to_front"), text("The front again."))
    assert (speakers(back), back["handed_over_to"]) == (["office", "front"], None)
    assert speakers(run("five", text("Yes?"))) == ["front"]
    # Without what was said since the first run's handoff, and then without that, too.
    said = api.messages(thread_id)
    for last, speaks in ((said[3], "office"), (said[0], "front")):
        path = f"/threads/{thread_id}/messages"
        assert api.http.delete(path, params={"after": last["id"]}).status_code in (200, 204)
        assert speakers(run(f"after {speaks}", text("Hm."))) == [speaks]


def test_agents(api: Api) -> None:
    """Whoever lists the agents sees who may take over."""
    agent = api.http.get("/agents/front").json()
    named = [(handoff["agent"], handoff["name"]) for handoff in agent["handoffs"]]
    assert named == [("office", "transfer_to_office"), ("courier", "transfer_to_courier")]
    assert agent["sticky_handoff"]
    assert agent["handoffs"][1]["description"] == "Sends parcels."
