"""Which of a run's tools its model is told of: what was found stands in the conversation."""

from typing import Any

import pytest

from fakes.records import NOON
from outlast.protocol import Message, TextPart, ToolCall
from outlast_worker.engine.offered import FoundTool, FoundTools, offered_tools
from outlast_worker.engine.records import PinnedTool


def tool(name: str, **fields: Any) -> PinnedTool:
    return PinnedTool(name=name, description="…", parameters={}, **fields)


TOOLS = [
    tool("a", deferred=True),
    tool("shown"),
    tool("b", deferred=True),
    tool("c", deferred=True),
    tool("search_tools", kind="built_in"),
]


def said(role: str, content: Any = "", **fields: Any) -> Message:
    return Message(id="m", role=role, content=content, run_id="r", created_at=NOON, **fields)  # type: ignore[arg-type]


def calling(*names: str) -> Message:
    calls = [ToolCall(call_id=f"1.{at}", name=name, arguments={}) for at, name in enumerate(names)]
    return said("assistant", tool_calls=calls)


def answering(call_id: str, content: Any, **fields: Any) -> Message:
    return said("tool", content, call_id=call_id, **fields)


def found(*names: str) -> str:
    tools = [FoundTool(name=name, description="…") for name in names]
    return FoundTools(tools=tools, note="").model_dump_json()


def offered(*messages: Message, chosen: str | None = None) -> list[str]:
    return [tool.name for tool in offered_tools(TOOLS, messages, chosen)]


def test_none_found() -> None:
    """At first the model is told of what is not deferred."""
    assert offered(said("user", found("a"))) == ["shown", "search_tools"]


def test_nothing_deferred() -> None:
    """Without deferred tools nothing changes, whatever was said."""
    tools = [tool("a"), tool("b")]
    assert offered_tools(tools, [calling("b")], "b") == tools


def test_found() -> None:
    """New ones come last, in the order in which they were found: what was sent before stays."""
    first = [calling("search_tools"), answering("1.0", found("c", "shown"))]
    assert offered(*first) == ["shown", "search_tools", "c"]
    second = [calling("search_tools"), answering("1.0", found("a", "c"))]
    assert offered(*first, *second) == ["shown", "search_tools", "c", "a"]
    assert offered(*first, said("user"), *second, said("user"))[:3] == offered(*first)


def test_called() -> None:
    """A tool that was called is known, found or not; one that there is not stays unknown."""
    assert offered(calling("b", "made_up")) == ["shown", "search_tools", "b"]


def test_chosen() -> None:
    """A tool that has to be called has to be told."""
    assert offered(chosen="c") == ["shown", "search_tools", "c"]
    assert offered(chosen="required") == ["shown", "search_tools"]


@pytest.mark.parametrize(
    "result",
    [
        answering("1.1", found("a")),
        answering("1.0", found("a"), is_error=True),
        answering("1.0", "Found: a."),
        answering("1.0", '{"tools": ["a"]}'),
        answering("1.0", [TextPart(text=found("a"))]),
        answering("1.0", found("d")),
    ],
    ids=["another call's", "an error", "a text", "another shape", "parts", "gone"],
)
def test_no_result_of_a_search(result: Message) -> None:
    """What is no search's result, or was put in its place, finds nothing."""
    assert offered(calling("search_tools", "shown"), result) == ["shown", "search_tools"]


def test_call_ids_of_other_runs() -> None:
    """Ids are unique in a run only: a result belongs to the calls right before it."""
    first = [calling("search_tools"), answering("1.0", found("a"))]
    assert offered(*first, calling("shown"), answering("1.0", found("b")))[2:] == ["a"]
