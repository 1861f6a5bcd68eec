"""The example `translator`: another model steps in, and the run stays with it."""

from example_agents.translator import agent
from outlast.testing import fault, run_in_memory, text


async def test_it_translates() -> None:
    """Without a word of the context it translates into English."""
    result = await run_in_memory(agent, "Guten Morgen", model=[text("Good morning")])
    assert result.output == "Good morning"
    assert "into English" in result.requests[0].instructions


async def test_another_model() -> None:
    """Whoever refuses is not asked again."""
    result = await run_in_memory(
        agent, "Guten Morgen", model=[fault("auth"), text("Good morning")], stream=True
    )
    assert [request.model for request in result.requests] == [
        "scripted/model",
        "groq/llama-3.3-70b-versatile",
    ]
    assert [event.type for event in result.events].count("model.fallback") == 1
