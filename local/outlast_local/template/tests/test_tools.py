"""Tools by themselves: a tool is called as the function that it is."""

import pytest
from desk.orders import order_supplies
from desk.resources import Resources, Warehouse
from desk.stock import look_up_stock

from outlast import ToolContext, ToolError


def context(key: str = "a-key") -> ToolContext[Resources]:
    resources = Resources(warehouse=Warehouse(items={"lamp": 12}))
    return ToolContext.for_test(resources=resources, idempotency_key=key)


async def test_stock() -> None:
    assert (await look_up_stock("lamp", context())).left == 12


async def test_an_item_that_is_not_there() -> None:
    with pytest.raises(ToolError, match="The items are: lamp"):
        await look_up_stock("sofa", context())


async def test_a_call_that_is_executed_again() -> None:
    same = context()
    orders = [await order_supplies("lamp", 5, same) for _ in range(2)]
    assert orders[0] == orders[1]
    assert same.resources.warehouse.items["lamp"] == 17
