"""The example `handbook`: its skills are found beside it, and lead to each other."""

from example_agents.handbook import agent
from outlast.testing import call, run_in_memory, text


async def test_reading() -> None:
    """A skill names the file that says more, and the model reads that."""
    model = [
        call("read_skill", name="warranty-claims"),
        call("read_skill", name="warranty-claims", file="references/periods.md"),
        text("Two years."),
    ]
    run = await run_in_memory(agent, "How long is a lamp covered?", model=model)
    skill, periods = run.tool_calls
    assert "`references/periods.md`" in skill.result
    assert "| lamps | 2 |" in periods.result
    names = [known.name for known in agent.known_skills]
    assert names == ["damaged-deliveries", "gift-cards", "warranty-claims"]
