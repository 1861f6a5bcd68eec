"""A bookkeeper who never sees card numbers: hooks and guardrails around a model and its tools."""

import re
from dataclasses import replace

from outlast import (
    Agent,
    AskAgain,
    AskPerson,
    HookedCall,
    Prompt,
    Refuse,
    RunContext,
    ToolResult,
    after_tool,
    before_model,
    before_tool,
    input_guardrail,
    output_guardrail,
    tool,
)

_CARD = re.compile(r"\b(?:\d[ -]?){12,15}(\d{4})\b")


def _masked(text: str) -> str:
    return _CARD.sub(r"card …\1", text)


@before_model
def mask_cards(prompt: Prompt, _context: RunContext) -> Prompt:
    """Let no provider see a card number, whoever wrote it."""
    messages = [
        said.model_copy(update={"content": _masked(said.content)})
        if isinstance(said.content, str)
        else said
        for said in prompt.messages
    ]
    return replace(prompt, messages=messages)


@after_tool
def mask_results(_call: HookedCall, result: ToolResult, _context: RunContext) -> ToolResult:
    """Nor anybody who watches the run."""
    return replace(result, output=_masked(result.output))


@before_tool
def ask_for_large_ones(call: HookedCall, _context: RunContext) -> AskPerson | Refuse | None:
    """Have a person look at what is large; what is absurd goes to nobody."""
    cents = call.arguments.get("cents")
    if not isinstance(cents, int) or cents < 100_000:
        return None
    if cents > 10_000_000:
        return Refuse("No invoice is that large. Ask the user for the amount.")
    return AskPerson(f"This invoice is over {cents / 100:,.2f} €.")


def stay_with_books(text: str, _context: RunContext) -> Refuse | None:
    """Refuse what a bookkeeper has nothing to say about. A moderation model can be asked here."""
    if "lottery" in text.lower():
        return Refuse("Only questions about invoices are answered here.")
    return None


def name_the_currency(text: str, _context: RunContext) -> AskAgain | None:
    """Have amounts said with their currency."""
    if re.search(r"\d[.,]\d\d\b(?! ?(€|EUR))", text):
        return AskAgain("Say each amount in €.")
    return None


@tool
async def book_invoice(customer: str, cents: int) -> str:
    """Book an invoice.

    Args:
        customer: Who pays.
        cents: How much, in euro cents.
    """
    return f"Booked {cents / 100:.2f} € for {customer}, to be taken from 4111 1111 1111 1234."


agent = Agent(
    name="bookkeeper",
    description="Books invoices, and sees no card numbers.",
    instructions="You keep the books of {{company|a small company}}. Answer briefly.",
    tools=[book_invoice],
    hooks=[
        input_guardrail(stay_with_books),
        mask_cards,
        ask_for_large_ones,
        mask_results,
        output_guardrail(name_the_currency),
    ],
)
