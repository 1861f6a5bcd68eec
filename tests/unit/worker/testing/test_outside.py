"""Tools that run once, and tools that clients run, in the test kit."""

import re
from typing import Any

import pytest

from outlast import Agent, Done, InDoubt, NotDone, ToolContext, client_tool, tool
from outlast.protocol import CallResult, ClientToolSpec, Decision
from outlast_worker.testing import call, calls, run_in_memory, text

BOOK: dict[str, int] = {}


@pytest.fixture(autouse=True)
def empty_book() -> None:
    """Begin with nothing paid."""
    BOOK.clear()


async def _find_out(context: ToolContext) -> Done | NotDone:
    paid = BOOK.get(context.idempotency_key)
    return NotDone() if paid is None else Done(f"paid {paid}")


@tool(effect="once", verify=_find_out)
async def pay(cents: int, breaks: str, context: ToolContext) -> str:
    """Pay over a line that may break.

    Args:
        cents: How much.
        breaks: When the line breaks: before, after, never.
    """
    is_second = BOOK.get("attempts", 0)
    BOOK["attempts"] = is_second + 1
    if breaks == "before" and not is_second:
        raise InDoubt("the line broke")
    BOOK[context.idempotency_key] = cents
    if breaks == "after":
        raise InDoubt("the line broke")
    return f"paid {cents}"


@tool(effect="once")
async def mail(to: str) -> str:
    """Send a letter of which nobody hears again.

    Args:
        to: Whom.
    """
    raise InDoubt("the post is on strike")


BANK = Agent(name="bank", instructions="Pay.", tools=[pay, mail])
GUIDE = Agent(
    name="guide",
    instructions="Guide.",
    tools=[client_tool("locate", "Where somebody is.")],
    overrides={"client_tools"},
)


@pytest.mark.parametrize(("breaks", "attempts"), [("never", 1), ("after", 1), ("before", 2)])
async def test_verified(breaks: str, attempts: int) -> None:
    """What the book tells of is not paid again; what it does not is, under the same key."""
    model = [call("pay", cents=5, breaks=breaks), text("Done.")]
    result = await run_in_memory(BANK, "Pay.", model=model)
    assert [each.result for each in result.tool_calls] == ["paid 5"]
    assert BOOK["attempts"] == attempts
    assert result.run.approvals == []


async def test_a_person_decides() -> None:
    """A doubt is decided by its id; an answer that does not go with it is no answer."""
    model = [call("mail", to="ann"), text("Done.")]
    by_hand = Decision(action="complete", output="sent by hand")
    result = await run_in_memory(BANK, "Write.", model=model, decisions={"1.0.doubt1": by_hand})
    assert [each.result for each in result.tool_calls] == ["sent by hand"]


@pytest.mark.parametrize(
    ("given", "said", "is_error", "ran"),
    [
        ("Berlin", "Berlin", False, True),
        (lambda: "Rome", "Rome", False, True),
        (CallResult(output="denied", is_error=True), "denied", True, True),
        ("expire", "No client sent the result", True, False),
    ],
)
async def test_a_client_answers(given: Any, said: str, is_error: bool, ran: bool) -> None:
    """What a client sends, or that it sends nothing, is said by the tool's name."""
    model = [call("locate"), text("Done.")]
    result = await run_in_memory(GUIDE, "Hi.", model=model, client_results={"locate": given})
    [made] = result.tool_calls
    assert made.result.startswith(said)
    assert (made.is_error, made.ran) == (is_error, ran)


async def test_a_callers_tools() -> None:
    """A run may bring tools along; what does not fit is told to the model."""
    city = {"type": "object", "properties": {"city": {"type": "string"}}}
    spec = ClientToolSpec(name="weather", description="The weather.", parameters=city)
    model = [calls(call("weather", city="Rome"), call("weather", city=1)), text("Done.")]
    result = await run_in_memory(
        GUIDE, "Hi.", model=model, client_tools=[spec], client_results={"weather": "sunny"}
    )
    first, second = result.tool_calls
    assert first.result == "sunny"
    assert "weather are not valid" in second.result


@pytest.mark.parametrize(
    ("results", "said"),
    [({}, 'Add `client_results={"locate": "…"}`'), ({"locate": "a", "find": "b"}, "'find'")],
)
async def test_mistakes(results: dict[str, Any], said: str) -> None:
    """A result that is missing, and one that nobody asks for, are named."""
    model = [call("locate"), text("Done.")]
    with pytest.raises(AssertionError, match=re.escape(said)):
        await run_in_memory(GUIDE, "Hi.", model=model, client_results=results)
