"""Arguments that a person puts in place of the model's."""

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from fakes.steps import NOON
from outlast import Agent, Tool, tool
from outlast.contract import DecideOrder, FieldFault
from outlast.protocol import Approval, Decision
from outlast_worker.services.decisions import _check

APPROVAL = Approval(call_id="1.0", name="refund", arguments={}, requested_at=NOON)


class OddEnd(BaseException):
    """What only a library's author would raise."""


async def check(refund: Tool[..., Any], arguments: dict[str, Any]) -> list[FieldFault]:
    decision = Decision(action="approve", arguments=arguments)
    order = DecideOrder(call_id="1.0", decision=decision, at=NOON)
    agent = Agent(name="support", instructions="Help.", tools=[refund])
    return await _check(agent, APPROVAL, order)


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [({"cents": 5}, []), ({"cents": "x"}, ["cents"]), ({"cents": 5, "more": 1}, ["more"])],
)
async def test_checked_as_the_models_are(arguments: dict[str, Any], faults: list[str]) -> None:
    """What does not fit the tool is named by its place in the request."""

    @tool
    def refund(cents: int) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        return "paid"

    found = await check(refund, arguments)
    assert [fault.field for fault in found] == [f"body.arguments.{field}" for field in faults]


@pytest.mark.parametrize("raised", [KeyError, SystemExit, KeyboardInterrupt, OddEnd])
async def test_validator_that_raises_anything(raised: type[BaseException]) -> None:
    """It is a fault of the request, and neither the worker's end nor a handler that is retried."""

    def leave(_: Any) -> Any:
        raise raised("secret-1")

    @tool
    def refund(cents: Annotated[int, AfterValidator(leave)]) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run by a check")

    [fault] = await check(refund, {"cents": 5})
    assert (fault.field, raised.__name__ in fault.message) == ("body.arguments", True)
    assert "secret-1" not in fault.message
