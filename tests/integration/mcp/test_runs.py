"""Runs whose tools are those of MCP servers."""

from pathlib import Path

import pytest

from fakes import ScriptedModel, call, calls, text
from fakes.api import Api
from fakes.mcp_servers import Notes
from fakes.stack import TestStack
from fakes.waiting import wait_until


@pytest.fixture
def notes(stack: TestStack) -> Notes:
    return Notes(Path(stack.settings["EFFECTS_FILE"] + ".mcp"))


def told(run: dict[str, object]) -> list[object]:
    messages = run["messages"]
    assert isinstance(messages, list)
    return [m["content"] for m in messages if m["role"] == "tool"]


def test_calls(api: Api, model: ScriptedModel, key: str) -> None:
    """Calls of a server's tools run side by side as others do; its errors are for the model."""
    script = calls(call("add", a=1, b=2), call("fail"), call("add", a="one", b=2))
    model.script(key, [script, text("done")])
    run = api.run("clerk", key)
    assert run["status"] == "completed"
    three, failed, invalid = map(str, told(run))
    assert three == "3"
    assert "out of paper" in failed
    assert "valid integer" in invalid


def test_images(api: Api, model: ScriptedModel, key: str) -> None:
    """What a server shows is kept with the call, and reaches the model."""
    model.script(key, [call("gallery"), text("done")])
    run = api.run("clerk", key)
    [result] = [m for m in run["messages"] if m["role"] == "tool"]
    assert [part["type"] for part in result["content"]] == ["text", "image", "text", "text"]
    assert "data:image/png;base64," in str(model.requests(key)[-1].messages)


def test_what_the_model_is_told(api: Api, model: ScriptedModel, key: str) -> None:
    """The server's own schemas; nothing of a server that is away and not needed."""
    model.script(key, [text("done")])
    api.run("clerk", key)
    [request] = model.requests(key)
    offered = {tool["function"]["name"]: tool["function"] for tool in request.body["tools"]}
    assert offered["add"]["description"] == "Add two numbers."
    assert offered["add"]["parameters"]["required"] == ["a", "b"]
    assert "name_with_dots" in offered


def test_an_approval(api: Api, model: ScriptedModel, key: str, notes: Notes) -> None:
    """Nothing is paid before a person approves, who may change what; then it is, once."""
    cents = abs(hash(key)) % 10_000
    model.script(key, [call("pay", cents=1), text("done")])
    run_id = api.start("clerk", key)
    api.wait_for_approval(run_id)
    decided = api.decide(run_id, "1.0", "approve", arguments={"cents": cents})
    assert decided.status_code == 200
    assert told(api.result(run_id)) == ["paid"]
    assert notes.read().count(f"paid:{cents}") == 1


def test_a_server_that_dies(api: Api, model: ScriptedModel, key: str) -> None:
    """A call of unknown effect is in doubt: a person is asked, and the run goes on."""
    model.script(key, [call("die"), text("done")])
    run_id = api.start("clerk", key)
    [approval] = api.wait_for_approval(run_id)["approvals"]
    assert approval["reason"] == "in_doubt"
    assert api.decide(run_id, approval["approval_id"], "give_up").status_code == 200
    assert api.result(run_id)["output"] == "done"


def test_a_cancelled_run(api: Api, model: ScriptedModel, key: str, notes: Notes) -> None:
    """The server hears that nobody waits for the call any more."""
    before = notes.read().count("cancelled")
    model.script(key, [call("dawdle"), text("done")])
    run_id = api.start("clerk", key)
    api.wait_for_event(run_id, type="tool_call.started")
    notes.wait_for("dawdling")
    api.cancel(run_id)
    api.wait_for_status(run_id, "cancelled")
    wait_until(lambda: notes.read().count("cancelled") > before, "the server to hear of it")


def test_a_server_that_is_away(api: Api, key: str) -> None:
    """The run waits for it, says so, and can be cancelled."""
    run_id = api.start("stranded", key)
    run = wait_until(
        lambda: (found := api.get(run_id))["engine"] and found["engine"]["last_failure"] and found,
        "the run to say what it waits for",
    )
    assert "tool-server-unavailable" in run["engine"]["last_failure"]
    assert "gone can't be reached" in run["engine"]["last_failure"]
    assert run["waiting"]["until"]
    api.cancel(run_id)
    assert api.wait_for_status(run_id, "cancelled")["started_at"] is None


def test_the_agent(api: Api) -> None:
    """Its description names its servers."""
    described = next(a for a in api.http.get("/agents").json()["items"] if a["name"] == "clerk")
    assert described["mcp"] == ["fake", "gone"]


def test_what_a_server_asks(api: Api, model: ScriptedModel, key: str) -> None:
    """The run waits for input, in its own words and in the inbox; an answer is checked first."""
    item = key.rsplit(maxsplit=1)[-1]
    model.script(key, [call("order", item=item), text("done")])
    run_id = api.start("asker", key)
    run = wait_until(
        lambda: (found := api.get(run_id))["waiting_for"] == "input" and found, "a question"
    )
    [asked] = run["approvals"]
    assert (asked["approval_id"], asked["reason"]) == ("1.0.input1", "input")
    assert asked["question"] == "Who supplies it?"
    assert asked["content_schema"]["required"] == ["supplier"]
    inbox = api.http.get("/approvals").json()["items"]
    [listed] = [each for each in inbox if each["run_id"] == run_id]
    assert listed["content_schema"] == asked["content_schema"]
    for content, said in (
        ({"supplier": "Nobody"}, "supplier: "),
        ({"pieces": 2}, '"supplier" is a required property'),
        ("Lux", "an object is asked for"),
    ):
        refused = api.decide(run_id, "1.0.input1", "answer", content=content)
        assert refused.status_code == 422
        assert said in refused.text.replace("\\", "")
    assert api.decide(run_id, "1.0.input1", "approve").status_code == 422
    answer = {"supplier": "Lux", "pieces": 2}
    for _ in range(2):
        assert api.decide(run_id, "1.0.input1", "answer", content=answer).status_code == 200
    assert api.decide(run_id, "1.0.input1", "decline").status_code == 409
    assert told(api.result(run_id)) == [f"ordered {item} from Lux"]
    [resolved] = [e for e in api.events(run_id) if e["type"] == "approval.resolved"]
    assert resolved["content"] == answer


def test_questions_of_a_newer_server(api: Api, model: ScriptedModel, key: str) -> None:
    """Beside other calls of the turn; declined, its own words reach the model."""
    script = calls(call("reserve", item="lamp"), call("reserve", item="chair"))
    model.script(key, [script, text("done")])
    run_id = api.start("asker", key)
    wait_until(lambda: len(api.get(run_id)["approvals"]) == 2, "both questions")
    assert api.decide(run_id, "1.0.input1", "answer", content={"name": "Lux"}).status_code == 200
    assert api.decide(run_id, "1.1.input1", "decline").status_code == 200
    reserved, declined = map(str, told(api.result(run_id)))
    assert reserved == "reserved lamp at Lux"
    assert "declin" in declined


def test_a_run_that_is_cancelled_while_it_asks(
    api: Api, model: ScriptedModel, key: str, notes: Notes
) -> None:
    """Nobody can answer any more, and the server hears that nobody will."""
    before, item = notes.read().count("cancelled"), key.rsplit(maxsplit=1)[-1]
    model.script(key, [call("order", item=item), text("done")])
    run_id = api.start("asker", key)
    wait_until(lambda: api.get(run_id)["waiting_for"] == "input", "a question")
    api.cancel(run_id)
    run = api.wait_for_status(run_id, "cancelled")
    assert "nobody knows whether it ran" in str(told(run)[0])
    late = api.decide(run_id, "1.0.input1", "answer", content={"supplier": "Lux"})
    assert late.status_code == 409
    wait_until(lambda: notes.read().count("cancelled") > before, "the server to hear of it")
    assert f"ordered:{item}" not in notes.read()
