"""Whole agents, with a model that says what a test wants: no network, no Restate, milliseconds."""

from desk import lifespan
from desk.orders import agent as orders
from desk.stock import agent as stock

from outlast.testing import call, run_in_memory, text


async def test_a_question() -> None:
    result = await run_in_memory(
        stock,
        "How many lamps are left?",
        model=[call("look_up_stock", item="lamp"), text("12 lamps are left.")],
        lifespan=lifespan,
    )
    assert result.output == "12 lamps are left."
    assert result.tool_calls[0].json() == {"item": "lamp", "left": 12}


async def test_an_order_that_is_approved() -> None:
    result = await run_in_memory(
        orders,
        "Order 5 lamps.",
        model=[call("order_supplies", item="lamp", quantity=5), text("Ordered: O-1001.")],
        lifespan=lifespan,
        decisions={"order_supplies": "approve"},
    )
    assert result.tool_calls[0].json()["order_id"] == "O-1001"


async def test_an_order_that_is_refused() -> None:
    result = await run_in_memory(
        orders,
        "Order 5 lamps.",
        model=[call("order_supplies", item="lamp", quantity=5), text("That was refused.")],
        lifespan=lifespan,
        decisions={"order_supplies": "reject"},
    )
    assert result.status == "completed"
    assert not result.tool_calls[0].ran
