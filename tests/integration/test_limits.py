"""Where runs stop: by what was used, whatever is replayed."""

import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text


@pytest.mark.parametrize(
    "limit", [{"max_tokens": 1}, {"max_cost_usd": 1e-9}, {"max_duration_s": 0.001}], ids=str
)
def test_a_run_stops_before_its_next_model_call(
    api: Api, model: ScriptedModel, key: str, limit: dict[str, float]
) -> None:
    """What was in flight is finished, and the run says which limit it reached."""
    model.script(key, [call("note", text="1"), text("never")])
    run = api.run("tester", key, limits=limit)
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", *limit)
    assert (run["usage"]["model_calls"], run["usage"]["tool_calls"]) == (1, 1)
    assert model.count(key) == 1
    assert_valid_conversation(run["messages"])


def test_tool_calls(api: Api, model: ScriptedModel, key: str) -> None:
    """Calls beyond the limit are not run, and the conversation has a result for each."""
    model.script(key, [calls(*[call("note", text=str(n)) for n in range(3)]), text("never")])
    run = api.run("tester", key, limits={"max_tool_calls": 2})
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", "max_tool_calls")
    results = [message["content"] for message in run["messages"] if message["role"] == "tool"]
    assert results[:2] == ["noted 0", "noted 1"]
    assert "2 tool calls" in results[2]
    assert_valid_conversation(run["messages"])


def test_a_cost_that_nobody_knows(api: Api, key: str) -> None:
    """A run with a limit of cost fails at its start where its model has no price."""
    run = api.run("open_minded", key, limits={"max_cost_usd": 1})
    assert (run["status"], run["error"]["type"]) == ("failed", "price-unknown")
    assert "MODEL_PRICES" in run["error"]["message"]
    assert run["usage"]["model_calls"] == 0
