"""The kit plays agents that are called: their models have scripts of their own."""

import pytest

from outlast import Agent, tool
from outlast.protocol import Decision, Limits, Usage
from outlast.testing import ModelRequest, ScriptError, call, calls, run_in_memory, text


@tool(needs_approval=True)
async def order_book(title: str) -> str:
    """Order a book.

    Args:
        title: Which.
    """
    return f"{title} is on its way"


librarian = Agent(
    name="librarian",
    description="Finds and orders books.",
    instructions="Find books for {{reader}}.",
    tools=[order_book],
)
boss = Agent(name="boss", instructions="Lead.", tools=[librarian.as_tool(thread="own")])
ASKED = call("librarian", input="A book on rain")


async def test_a_child() -> None:
    """It runs with its real tools, and the same people decide; its run is a result of its own."""
    result = await run_in_memory(
        boss,
        "Get me a book.",
        model=[ASKED, text("Ordered.")],
        children={"librarian": [call("order_book", title="Rain"), text("Rain comes.")]},
        context={"reader": "Ana"},
        decisions={"order_book": "approve"},
    )
    assert (result.output, result.tool_calls[0].result) == ("Ordered.", "Rain comes.")
    [child] = result.children
    assert child.tool_calls[0].result == "Rain is on its way"
    assert child.requests[0].instructions == "Find books for Ana."
    assert child.run.parent
    assert child.run.parent.run_id == result.run.run_id
    assert result.usage.model_calls == 4


async def test_people_approve_what_a_child_is_asked() -> None:
    """The test decides by the tool's name; a person may ask something else instead."""
    careful = Agent(
        name="careful", instructions="x", tools=[librarian.as_tool(needs_approval=True)]
    )
    other = Decision(action="approve", arguments={"input": "A book on snow"})
    result = await run_in_memory(
        careful,
        "Get me a book.",
        model=[ASKED, text("Ordered.")],
        children={"librarian": [text("Snow comes.")]},
        context={"reader": "Ana"},
        decisions={"librarian": other},
    )
    assert result.tool_calls[0].result == "Snow comes."
    assert result.children[0].requests[0].messages[0].content == "A book on snow"
    with pytest.raises(ScriptError, match="do not fit the tool"):
        await run_in_memory(
            careful,
            "Get me a book.",
            model=[ASKED, text("Ordered.")],
            context={"reader": "Ana"},
            decisions={"librarian": Decision(action="approve", arguments={"title": "Snow"})},
        )


async def test_limits_hold_over_children() -> None:
    """Children use no more than their caller has left; one waits for what the other gives back."""
    used = Usage(input_tokens=600, output_tokens=100, cost_usd=0.0)
    result = await run_in_memory(
        boss,
        "Get me two books.",
        model=[calls(ASKED, call("librarian", input="A book on snow"))],
        children={"librarian": [text("It is there.", usage=used)]},
        context={"reader": "Ana"},
        limits=Limits(max_tokens=500),
    )
    assert (result.run.status, result.run.incomplete_reason) == ("incomplete", "max_tokens")
    found, none = (each.result for each in result.tool_calls)
    assert found == "It is there."
    assert none == "The agent librarian stopped before its end: max_tokens."


async def test_several_calls_go_on_with_the_script() -> None:
    """A second call goes on where the first one ended, also in the agent's own conversation."""
    result = await run_in_memory(
        boss,
        "Twice.",
        model=[ASKED, ASKED, text("Done.")],
        children={"librarian": [text("First."), text("Second.")]},
        context={"reader": "Ana"},
    )
    assert [child.output for child in result.children] == ["First.", "Second."]
    second = result.children[1].requests[0].messages
    assert [message.content for message in second] == ["A book on rain", "First.", "A book on rain"]


async def test_side_by_side() -> None:
    """A function answers calls in one turn whatever their order."""

    def find(request: ModelRequest) -> object:
        return text(f"Found: {request.last}")

    helper = Agent(name="helper", description="Helps.", instructions="Help.")
    lead = Agent(name="lead", instructions="Lead.", tools=[helper.as_tool()])
    asked = calls(call("helper", input="a"), call("helper", input="b"))
    result = await run_in_memory(
        lead,
        "Both.",
        model=[asked, text("Done.")],
        children={"helper": find},  # type: ignore[dict-item]
    )
    assert [made.result for made in result.tool_calls] == ["Found: a", "Found: b"]


async def test_a_missing_script() -> None:
    """The message says what to add."""
    with pytest.raises(ScriptError, match=r'Add `children=\{"librarian": \[text\("…"\)\]\}`'):
        await run_in_memory(boss, "Go.", model=[ASKED], context={"reader": "Ana"})


async def test_a_short_script() -> None:
    """The message names the script, and tells of both runs."""
    with pytest.raises(ScriptError) as raised:
        await run_in_memory(
            boss,
            "Go.",
            model=[ASKED],
            children={"librarian": []},
            context={"reader": "Ana"},
        )
    assert 'children={"librarian": […]}' in str(raised.value)
    assert "The run of librarian so far" in str(raised.value)


async def test_a_spare_script() -> None:
    """What no agent asked for is told."""
    with pytest.raises(ScriptError, match=r'children=\{"librarian": \[…\]\}` 1 of 1'):
        await run_in_memory(
            boss,
            "Go.",
            model=[text("No.")],
            children={"librarian": [text("Never.")]},
            context={"reader": "Ana"},
        )
