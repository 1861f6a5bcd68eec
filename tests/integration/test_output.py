"""Answers that have to be something, on the whole stack."""

from typing import Any

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import call, text

TICKET = '{"title": "Lamp", "urgency": "low"}'
VALUE = {"title": "Lamp", "urgency": "low"}
CENTS: dict[str, Any] = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}},
    "required": ["cents"],
}


def test_a_typed_answer(api: Api, model: ScriptedModel, key: str) -> None:
    """The run's output is the parsed value, wherever it is read."""
    model.script(key, [call("note", text="a"), text(TICKET)])
    run = api.run("typed", key)
    assert (run["status"], run["output"]) == ("completed", VALUE)
    assert api.get(run["run_id"])["output"] == VALUE
    assert api.events(run["run_id"])[-1]["run"]["output"] == VALUE
    asked = model.requests(key)[0].body["response_format"]["json_schema"]
    assert asked["schema"]["required"] == ["title", "urgency"]
    assert asked["strict"] is True


def test_repair(api: Api, model: ScriptedModel, key: str) -> None:
    """The model hears what is wrong, and the conversation keeps it."""
    model.script(key, [text("It is the lamp."), text('{"title": "Lamp"}'), text(TICKET)])
    run = api.run("typed", key, thread_id=key.replace(" ", "-"))
    assert (run["status"], run["output"], run["turn"]) == ("completed", VALUE, 3)
    rejected = [e for e in api.events(run["run_id"]) if e["type"] == "output.rejected"]
    assert [event["turn"] for event in rejected] == [1, 2]
    assert rejected[1]["faults"] == ["urgency: Field required"]
    assert "urgency: Field required" in model.requests(key)[2].messages[-1]["content"]
    assert_events_are_whole(api.events(run["run_id"]), run)
    assert_valid_conversation(api.messages(key.replace(" ", "-")))


def test_no_end_of_wrong_answers(api: Api, model: ScriptedModel, key: str) -> None:
    """After so many tries the run fails, and says why."""
    model.script(key, [text("no"), text("no"), text("no")])
    run = api.run("typed", key)
    assert (run["status"], run["error"]["type"]) == ("failed", "output-invalid")
    assert model.count(key) == 3


def test_a_schema_of_the_run(api: Api, model: ScriptedModel, key: str) -> None:
    """A run may ask for something else, where the agent allows it."""
    model.script(key, [text('{"cents": "5"}'), text('{"cents": 5}')])
    run = api.run("open_minded", key, output_schema=CENTS)
    assert (run["output"], run["turn"]) == ({"cents": 5}, 2)
    refused = api.post("typed", key, output_schema=CENTS)
    assert refused.status_code == 422
    assert 'overrides={"options", "output_schema"}' in refused.json()["detail"]
    wrong = api.post("open_minded", key, output_schema={"$ref": "#"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "body.output_schema")
