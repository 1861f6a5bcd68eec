"""What a run has otherwise than its agent says."""

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, text


def test_overrides_reach_the_model(api: Api, model: ScriptedModel, key: str) -> None:
    """Instructions and options count in each call of the run, a tool choice in the first."""
    model.script(key, [call("note", text="a"), text("ok")])
    body = {"instructions": "In rhymes.", "options": {"temperature": 0.5}}
    run = api.run("open_minded", key, **body, tool_choice="note")
    assert run["status"] == "completed"
    first, second = (request.body for request in model.requests(key))
    for sent in (first, second):
        assert sent["messages"][0]["content"] == "Be open.\n\nIn rhymes."
        assert (sent["temperature"], sent["max_completion_tokens"]) == (0.5, 700)
    assert first["tool_choice"] == {"type": "function", "function": {"name": "note"}}
    assert "tool_choice" not in second


def test_refused_overrides(api: Api, key: str) -> None:
    """An agent that does not allow it starts no run, and says what would."""
    answer = api.post("tester", key, instructions="In rhymes.")
    assert answer.status_code == 422
    assert 'overrides={"instructions", "options"}' in answer.json()["detail"]
    described = api.http.get("/agents/open_minded").json()
    assert described["overrides"] == [
        "instructions",
        "options",
        "output_schema",
        "tool_choice",
    ]


def test_origin(api: Api, model: ScriptedModel, key: str) -> None:
    """It is read back while the run goes on and after it, and is in no list and no event."""
    model.script(key, [call("pay", cents=5), text("ok")])
    origin = {"protocol": "openai", "request": {"store": False, "nested": {"a": [None, 1]}}}
    run_id = api.start("tester", key, origin=origin)
    assert api.wait_for_approval(run_id)["origin"] == origin
    api.decide(run_id, "1.0", "approve")
    assert api.result(run_id)["origin"] == origin
    assert api.http.get(f"/runs/{run_id}", params={"messages": False}).json()["origin"] is None
    listed = api.http.get("/runs", params={"agent": "tester"}).json()["items"]
    assert next(run for run in listed if run["run_id"] == run_id)["origin"] is None
    assert api.events(run_id)[-1]["run"]["origin"] is None
