"""The example with hooks does what it says."""

import pytest

from example_agents.bookkeeper import agent
from outlast.testing import RunResult, call, run_in_memory, text

CARD = "4111 1111 1111 1234"


async def run(said: str, *model: object, **options: object) -> RunResult:
    return await run_in_memory(agent, said, model=list(model), **options)  # type: ignore[arg-type]


async def test_no_card_number_is_seen() -> None:
    """Neither by the model, whoever wrote it, nor by those who watch."""
    result = await run(
        f"Book 5 € for Ana, {CARD}.",
        call("book_invoice", customer="Ana", cents=500),
        text("Booked 5.00."),
        text("Booked 5.00 €."),
    )
    assert result.output == "Booked 5.00 €."
    asked = "".join(str(said.content) for request in result.requests for said in request.messages)
    assert CARD not in asked
    assert asked.count("card …1234") == 5
    assert result.tool_calls[0].result == "Booked 5.00 € for Ana, to be taken from card …1234."


@pytest.mark.parametrize(
    ("cents", "decisions", "booked"),
    [(99_999, {}, True), (100_000, {"book_invoice": "approve"}, True), (10_000_001, {}, False)],
)
async def test_large_ones(cents: int, decisions: dict[str, str], booked: bool) -> None:
    """A person looks at what is large; what is absurd is refused."""
    result = await run(
        "Book it.",
        call("book_invoice", customer="Ana", cents=cents),
        text("Done."),
        decisions=decisions,
    )
    assert result.tool_calls[0].ran == booked
    assert len(result.run.approvals) == len(decisions)


async def test_something_else() -> None:
    """The model is not asked."""
    result = await run("Lottery numbers?")
    assert result.error
    assert result.error.message.endswith("Only questions about invoices are answered here.")
