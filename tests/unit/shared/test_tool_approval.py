"""Tools that need approval: by a flag, or by a condition on the call."""

from datetime import timedelta
from typing import Any

import pytest

from outlast import DefinitionError, ToolContext, tool
from outlast.protocol import MAX_DELAY_S


def _pay(cents: int) -> str:
    """Pay.

    Args:
        cents: How much.
    """
    return str(cents)


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"approval_timeout": timedelta(hours=1)}, "without needs_approval"),
        ({"needs_approval": True, "approval_timeout": 5}, "write timedelta"),
        ({"needs_approval": True, "approval_timeout": timedelta(0)}, "write timedelta"),
        (
            {"needs_approval": True, "approval_timeout": timedelta.max},
            "approval_timeout must be 365 days at most, .*leave it out",
        ),
        ({"needs_approval": "yes"}, "write True, or a plain function"),
        ({"needs_approval": bool}, "write True, or a plain function"),
        ({"needs_approval": min}, "write True, or a plain function"),
        ({"needs_approval": lambda euros: True}, "'euros', which is no parameter"),
    ],
)
def test_approval_that_can_not_be_asked_for(options: dict[str, Any], fix: str):
    """A mistake about approval raises when the tool is made, with the way to mend it."""
    with pytest.raises(DefinitionError, match=fix):
        tool(**options)(_pay)


async def _ask(cents: int) -> bool:
    return cents > 1


def test_the_longest_times():
    """A call, and a person, may take as long as a start may be put off."""
    year = timedelta(seconds=MAX_DELAY_S)
    made = tool(timeout=year, needs_approval=True, approval_timeout=year)(_pay)
    assert (made.timeout, made.approval_timeout) == (year, year)


def test_approval_by_an_async_function():
    """A condition that has to be awaited is refused."""
    with pytest.raises(DefinitionError, match="plain function"):
        tool(needs_approval=_ask)(_pay)  # pyright: ignore[reportArgumentType]  # the mistake


def _by_a_guest(context: ToolContext) -> bool:
    return context.context.get("guest") is True


@pytest.mark.parametrize(
    ("condition", "asked"),
    [(True, True), (False, False), (lambda cents: cents > 100, False), (_by_a_guest, True)],
)
def test_approval_depends_on_the_call(condition: Any, asked: bool):
    """A condition sees the arguments that it names, and the context if it asks for one."""
    made = tool(needs_approval=condition)(_pay)
    context = ToolContext.for_test(context={"guest": True})
    assert made.asks_first({"cents": 100}, context) is asked
