"""Skills: what the model is told of them, and what it reads, on the whole stack."""

from fakes import ScriptedModel, call, calls, text
from fakes.api import Api


def test_reading(api: Api, model: ScriptedModel, key: str) -> None:
    """Reads are calls like others: shown as they come, kept, and part of the conversation."""
    wrong = call("read_skill", name="claims", file="../scholar.py")
    periods = call("read_skill", name="claims", file="references/periods.md")
    model.script(key, [calls(call("read_skill", name="claims"), wrong, periods), text("done")])
    run = api.run("scholar", key)
    told = [m["content"] for m in run["messages"] if m["role"] == "tool"]
    assert told[0].startswith("Ask for a photo.")
    assert told[0].endswith("- references/periods.md")
    assert "has no file '../scholar.py'" in told[1]
    assert told[2] == "Two years.\n"
    definition = api.http.get(f"/runs/{run['run_id']}/definition").json()
    assert definition["instructions"].endswith(
        "\n- claims: How claims are handled. Read it before you handle one."
    )
    assert definition["instructions"] == model.requests(key)[0].messages[0]["content"]


def test_the_agent(api: Api) -> None:
    """Its description lists its skills."""
    described = api.http.get("/agents/scholar").json()
    [skill] = described["skills"]
    assert (skill["name"], skill["license"]) == ("claims", "MIT")
    assert described["search_tools"] is True
