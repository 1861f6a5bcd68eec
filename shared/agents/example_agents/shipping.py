"""An agent that ships an order once it is paid: a durable tool, which waits for days."""

from datetime import timedelta

from outlast import Agent, DurableContext, tool

_PAID_WITHIN = timedelta(days=3)


async def reserve(order_id: str, *, key: str) -> str:
    """Put the goods aside; the warehouse does that once for each key."""
    return f"shelf 4, for {order_id} ({key[-4:]})"


async def release(order_id: str) -> None:
    """Put the goods back."""


async def hand_over(order_id: str, shelf: str, *, key: str) -> str:
    """Have a parcel collected; the carrier does that once for each key."""
    return f"the parcel of {order_id} was collected from {shelf} ({key[-4:]})"


@tool(durable=True, signals=["paid"], timeout=timedelta(days=14), retries=3)
async def ship_order(order_id: str, context: DurableContext) -> str:
    """Ship an order as soon as it is paid; it is given up after three days without a payment.

    Args:
        order_id: The order, such as A-1001.
    """
    key = context.idempotency_key
    shelf = await context.step("reserve", reserve, order_id, key=f"{key}:reserve")
    context.report_progress(1, 3, "The goods are reserved.")
    try:
        await context.wait_for_signal("paid", timeout=_PAID_WITHIN)
    except TimeoutError:
        await context.step("release", release, order_id)
        return f"{order_id} was not paid within {_PAID_WITHIN.days} days; it is given up."
    context.report_progress(2, 3, "It is paid; the carrier comes tomorrow.")
    await context.sleep(timedelta(days=1))
    return await context.step("hand over", hand_over, order_id, shelf, key=f"{key}:hand over")


agent = Agent(
    name="shipping",
    description="Ships orders once they are paid.",
    instructions="You ship orders. Call ship_order, and tell the customer what became of it.",
    tools=[ship_order],
)
