"""A cashier who pays out once: a tool that never runs twice, with a book to look into."""

from datetime import timedelta

from outlast import Agent, Done, NotDone, ToolContext, tool

_paid: dict[str, int] = {}
"""The bank's book, by our reference; in this process alone, as a demonstration."""


async def look_into_the_book(context: ToolContext) -> Done | NotDone:
    """Find out whether a payout in doubt was made."""
    cents = _paid.get(context.idempotency_key)
    return NotDone() if cents is None else Done(f"paid {cents} cents")


def is_much(cents: int) -> bool:
    """Tell whether a person must approve a payout."""
    return cents > 10_000


@tool(
    effect="once",
    timeout=timedelta(seconds=20),
    needs_approval=is_much,
    verify=look_into_the_book,
)
async def pay_out(account: str, cents: int, context: ToolContext) -> str:
    """Pay money out to a customer.

    Args:
        account: The customer's account.
        cents: How much, in euro cents.
    """
    _paid[context.idempotency_key] = cents
    return f"paid {cents} cents to {account}"


agent = Agent(
    name="cashier",
    description="Pays customers out, each amount once.",
    instructions="Pay out what you are asked to. Never pay twice for one request.",
    tools=[pay_out],
)
