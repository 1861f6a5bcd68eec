"""A turn's tool calls, as they were read of what the model asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from outlast.arguments import UnreadableArguments, read_arguments
from outlast.protocol import ToolErrorType
from outlast_worker.engine.records import PinnedTool, RequestedCall, ServerAsks, ServerQuestion

_SHOWN_ARGUMENTS_CHARS = 500


@dataclass(frozen=True)
class GivenAnswer:
    """What came of a question of an MCP server's: nobody may have answered it in time."""

    question: ServerQuestion
    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True)
class Answered:
    """What people have answered in the course of a call.

    Attributes:
        answers: All of them, in the order of the questions.
        asks: Where the call goes on with the last ones; None if it has to begin anew.
    """

    answers: tuple[GivenAnswer, ...] = ()
    asks: ServerAsks | None = None

    @property
    def latest(self) -> tuple[GivenAnswer, ...]:
        """Those with which the call goes on."""
        return self.answers[-len(self.asks.questions) :] if self.asks else ()


NOTHING_ANSWERED = Answered()


@dataclass(frozen=True)
class PlannedCall:
    """One tool call of a turn.

    Attributes:
        arguments: What is shown, checked, approved and run; they are read once.
        known: Whether the pinned definition has such a tool.
        server_tool: As it was pinned, if it is an MCP server's.
        fault: Why it is not to run, for the model, such as arguments that can't be read.
        fault_type: The same in a word.
        answered: What people have answered when its server asked.
    """

    turn: int
    call_id: str
    name: str
    arguments: Mapping[str, JsonValue]
    known: bool
    fault: str | None = None
    fault_type: ToolErrorType = "invalid_arguments"
    server_tool: PinnedTool | None = None
    answered: Answered = NOTHING_ANSWERED


def plan_call(
    turn: int, index: int, requested: RequestedCall, tool: PinnedTool | None
) -> PlannedCall:
    """Read a call that a model asked for; without a pinned tool it made the name up."""
    call_id, name, known = f"{turn}.{index}", requested.name, tool is not None
    try:
        arguments = read_arguments(requested.arguments)
    except UnreadableArguments as error:
        shown = requested.arguments[:_SHOWN_ARGUMENTS_CHARS]
        fault = f"The arguments of {name} can't be read: {error}. They were: {shown}"
        return PlannedCall(turn, call_id, name, {}, known, fault)
    server_tool = tool if tool and tool.server else None
    return PlannedCall(turn, call_id, name, arguments, known, server_tool=server_tool)
