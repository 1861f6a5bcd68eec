"""Which of a run's tools its model is told of: all but the deferred ones that it has not found.

What was found stands in the conversation, so it is found for as long as that goes on, by every run
on it, and nothing else has to be kept: what sums up its beginning names the tools that were found
there. A deferred tool that the model calls without having found it is run, and counts as found:
deferring spares tokens, it forbids nothing.
"""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ValidationError

from outlast.built_in import SEARCH_TOOLS
from outlast.protocol import Content, Message
from outlast_worker.engine.records import PinnedTool, StoredMessage

_FOUND_BEFORE = f"\n\n[Of what is left out, tools that {SEARCH_TOOLS} has found: "
_END = ".]"


class FoundTool(BaseModel):
    """A tool that a search has found, as the model is told of it."""

    name: str
    description: str


class FoundTools(BaseModel):
    """The result of a search, which the model reads as JSON."""

    tools: list[FoundTool]
    note: str


def offered_tools(
    tools: Sequence[PinnedTool], said: Sequence[Message], chosen: str | None
) -> list[PinnedTool]:
    """Return the tools that the model is told of, in an order that stays: new ones come last.

    Args:
        tools: All of the run's.
        said: The conversation, with what was said before the run.
        chosen: The tool that the model is to call, if it has no choice.
    """
    deferred = {tool.name: tool for tool in tools if tool.deferred}
    shown = [tool for tool in tools if not tool.deferred]
    if not deferred:
        return shown
    names = dict.fromkeys([*_found_in(said), *([chosen] if chosen else ())])
    return [*shown, *(deferred[name] for name in names if name in deferred)]


def tell_found(tools: Sequence[PinnedTool], left_out: Sequence[Message]) -> str:
    """Return what a summary says at its end, so that what was found before it stays found.

    Args:
        tools: All of the run's.
        left_out: What is summed up.
    """
    deferred = {tool.name for tool in tools if tool.deferred}
    names = [name for name in dict.fromkeys(_found_in(left_out)) if name in deferred]
    return f"{_FOUND_BEFORE}{', '.join(names)}{_END}" if names else ""


def _found_in(said: Iterable[Message]) -> list[str]:
    """Return what searches have found, and what was called."""
    found: list[str] = []
    searches: set[str] = set()
    for message in said:
        if message.role == "assistant":
            # Ids of calls are told apart within a turn only.
            calls = message.tool_calls or ()
            searches = {call.call_id for call in calls if call.name == SEARCH_TOOLS}
            found += [call.name for call in calls]
        elif message.role == "tool" and message.call_id in searches and not message.is_error:
            found += _named_in(message.content)
        elif isinstance(message, StoredMessage) and message.stands_for is not None:
            found += _told_in(message.content)
    return found


def _told_in(content: Content) -> list[str]:
    """Return the tools that a summary names."""
    _, told, names = (content if isinstance(content, str) else "").rpartition(_FOUND_BEFORE)
    return names.removesuffix(_END).split(", ") if told else []


def _named_in(content: Content) -> list[str]:
    """Return the tools in a search's result; none where a hook or a client wrote something else."""
    try:
        result = FoundTools.model_validate_json(content if isinstance(content, str) else "")
    except ValidationError:
        return []
    return [tool.name for tool in result.tools]
