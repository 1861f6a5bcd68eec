"""Tools that are searched for: what the model is sent, on the whole stack."""

from typing import Any

import pytest

from fakes import ScriptedModel, call, text
from fakes.api import Api
from fakes.model_server import Request

ALWAYS = ["read_skill", "search_tools"]


def offered(request: Request) -> list[str]:
    return [tool["function"]["name"] for tool in request.body["tools"]]


def shown(api: Api, run: dict[str, Any], turn: int) -> list[str]:
    prompt = api.http.get(f"/runs/{run['run_id']}/turns/{turn}/prompt").json()
    return [tool["name"] for tool in prompt["tools"]]


@pytest.mark.both_modes
def test_a_conversation(api: Api, model: ScriptedModel, key: str) -> None:
    """What was found is sent from the next turn on, and in the next run; prompts show it."""
    thread_id = key.replace(" ", "-")
    script = [call("search_tools", query="pay"), call("pay", cents=1), text("done")]
    model.script(f"{key} first", script)
    run_id = api.start("scholar", f"{key} first", thread_id=thread_id)
    api.wait_for_approval(run_id)
    assert api.decide(run_id, "2.0", "approve").status_code == 200
    first = api.result(run_id)
    assert [m["content"] for m in first["messages"] if m["role"] == "tool"][1] == "paid 1"
    sent = [offered(request) for request in model.requests(f"{key} first")]
    assert sent == [ALWAYS, [*ALWAYS, "pay"], [*ALWAYS, "pay"]]
    assert [shown(api, first, turn) for turn in (1, 2, 3)] == sent

    model.script(f"{key} second", [call("note", text="a"), text("done")])
    second = api.run("scholar", f"{key} second", thread_id=thread_id)
    sent = [offered(request) for request in model.requests(f"{key} second")]
    assert sent == [[*ALWAYS, "pay"], [*ALWAYS, "pay", "note"]]
    assert [shown(api, second, turn) for turn in (1, 2)] == sent
    defined = api.http.get(f"/runs/{second['run_id']}/definition").json()["tools"]
    assert [(t["name"], t["deferred"]) for t in defined] == [
        ("note", True),
        ("pay", True),
        ("read_skill", None),
        ("search_tools", None),
    ]
