"""The example of an answer that a program reads."""

from example_agents.triage import agent
from outlast.testing import run_in_memory, text

GOOD = (
    '{"category": "product", "urgency": "high", "summary": "A broken lamp.", "order_ids": ["A-1"]}'
)


async def test_a_ticket() -> None:
    """A message becomes a ticket, also if the model first answers in words."""
    model = [text("The lamp is broken."), text(GOOD)]
    result = await run_in_memory(agent, "My lamp A-1 arrived broken.", model=model)
    assert result.status == "completed"
    assert result.output == {
        "category": "product",
        "urgency": "high",
        "summary": "A broken lamp.",
        "order_ids": ["A-1"],
    }


async def test_no_end_of_words() -> None:
    """A model that never sorts fails the run within its turns."""
    result = await run_in_memory(agent, "Hi.", model=[text("Hello!")] * 3)
    assert result.error is not None
    assert result.error.type == "output-invalid"
