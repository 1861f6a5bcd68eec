"""Runs that read skills, where a deployment has rewritten them."""

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.skill_folders import write_skill
from fakes.stack import TestStack

pytestmark = pytest.mark.crash


def test_a_worker_with_other_skills(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """What was read stays as it was; what is read from then on is new, and says so."""
    gate = Gate()
    reading = call("read_skill", name="claims")
    beside = call("read_skill", name="claims", file="references/periods.md")
    again = calls(reading, beside, gate=gate)
    model.script(key, [calls(reading, beside), again, text("done")])
    run_id = api.start("scholar", key)
    model.wait_for(key, turn=2)
    stack.worker.kill()
    skill = write_skill(stack.directory / "later" / "claims", "Ask for two photos.")
    settings = {"AGENTS": "fakes.scholar_later", "SKILLS": str(skill.parent)}
    later = stack.process("outlast_worker", settings)
    later.start()
    try:
        gate.open()
        run = api.result(run_id)
    finally:
        later.terminate()
        stack.start_worker()
    told = [message["content"] for message in run["messages"] if message["role"] == "tool"]
    assert told[0].startswith("Ask for a photo.")
    assert told[1] == "Two years.\n"
    assert told[2].startswith("(This skill was changed since this run began")
    assert told[2].endswith("\n\nAsk for two photos.")
    assert told[3] == "The skill claims has no file 'references/periods.md'. It has: none."
    assert run["output"] == "done"
    definition = api.http.get(f"/runs/{run_id}/definition").json()
    assert definition["instructions"].startswith("Do what the test says.")
    assert stack.executions(run_id).count("pin") == 1
