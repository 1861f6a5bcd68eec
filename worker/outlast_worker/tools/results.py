"""What a tool call comes to, as a record: what the tool returned, or why it failed."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from outlast.agent import Agent
from outlast.agent_tool import AgentTool
from outlast.logging import get_logger
from outlast.protocol import Time, ToolErrorType
from outlast.tool import AnyTool
from outlast.tool_context import ToolContext
from outlast.tool_output import ToolOutput
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ApprovalCheck, ServerAsks, ToolRecord
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.author_code import call_safely, kind_of, text_of

MAX_RESULT_BYTES = 256 * 1024
MAX_PARTS_BYTES = 4 * 1024 * 1024
"""Of a result with images and documents, which are part of the journal as all results are."""
_SHOWN_ARGUMENTS_CHARS = 500

_logger = get_logger()


class Failure:
    """Why a call failed: for everybody, and for the model, where clients see less."""

    def __init__(self, kind: ToolErrorType, shown: str, told: str | None = None) -> None:
        self.kind: ToolErrorType = kind
        self.shown = shorten(shown)
        self.told = told and shorten(told)

    def as_check(self, at: Time) -> ApprovalCheck:
        """Return the check of a call that is not run because of it."""
        return ApprovalCheck(
            outcome="refused", at=at, reason=self.shown, told=self.told, error_type=self.kind
        )


def result_record(tool: AnyTool, result: Any, watch: Stopwatch) -> ToolRecord:
    """Return the record of what a tool returned; of a fault, if it is too large to be read."""
    if isinstance(result, ServerAsks):
        return ToolRecord(
            output="",
            is_error=False,
            started_at=watch.started_at,
            ended_at=watch.read(),
            asks=result,
        )
    parts = list(result.parts) if isinstance(result, ToolOutput) else None
    output = result.text if isinstance(result, ToolOutput) else call_safely(tool.dump, result)
    for size, most in (
        (len(output.encode()), MAX_RESULT_BYTES),
        (len(to_json(parts)) if parts else 0, MAX_PARTS_BYTES),
    ):
        if size > most:
            text = f"The result of {tool.name} has {size} bytes; at most {most} can be read."
            return error_record(Failure("too_large", f"{text} Ask for less."), watch)
    return ToolRecord(
        output=output,
        is_error=False,
        started_at=watch.started_at,
        ended_at=watch.read(),
        parts=parts,
    )


def record_of_once(
    tool: AnyTool, result: Any, context: ToolContext, watch: Stopwatch
) -> ToolRecord:
    """Return the record of a call that did happen, whatever becomes of its result."""
    try:
        record = result_record(tool, result, watch)
    except Exception as error:  # noqa: BLE001  # an author's types may raise anything
        record = error_record(failure_of(tool, context, 0, error), watch)
    if not record.is_error:
        return record
    told = f"The call of {tool.name} did happen; don't repeat it. Its result can't be read: "
    changes = {"output": told + record.output, "told": record.told and told + record.told}
    return record.model_copy(update=changes)


def error_record(failure: Failure, watch: Stopwatch) -> ToolRecord:
    """Return the record of a call that failed."""
    return ToolRecord(
        output=failure.shown,
        is_error=True,
        started_at=watch.started_at,
        ended_at=watch.read(),
        told=failure.told,
        error_type=failure.kind,
    )


def unknown_tool(agent: Agent, call: PlannedCall) -> Failure:
    """Say which tools there are, as far as the model is told of them."""
    deferred = {tool.name for tool in agent.tools if agent.defers(tool)}
    names = ", ".join(name for name in agent.callable_names if name not in deferred) or "none"
    return Failure("unknown_tool", f"There is no tool {call.name!r}. The tools are: {names}.")


def invalid_arguments(
    tool: AnyTool | AgentTool, call: PlannedCall, context: ToolContext, error: Exception
) -> Failure:
    """Say what is wrong with the arguments, and show them: the model may have garbled them."""
    if not isinstance(error, ValidationError):
        return failure_of(tool, context, 0, error)
    faults = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )
    shown = to_json(call.arguments).decode()[:_SHOWN_ARGUMENTS_CHARS]
    text = f"The arguments of {tool.name} are not valid: {faults}. They were: {shown}"
    return Failure("invalid_arguments", text)


def failure_of(
    tool: AnyTool | AgentTool, context: ToolContext, attempt: int, error: Exception
) -> Failure:
    """Tell the model what was raised; clients see its class, since its text may hold secrets."""
    _logger.error(
        "tool_failed",
        tool=tool.name,
        run_id=context.run_id,
        call_id=context.call_id,
        attempt=attempt + 1,
        exc_info=error,
    )
    failed = f"The tool {tool.name} failed: {kind_of(error)}"
    shown, told = f"{failed}. The worker's log says more.", f"{failed}: {text_of(error)}"
    return Failure("tool_error", shown, told)


def shorten(text: str) -> str:
    """Return a text that can be journaled."""
    return text.encode(errors="replace")[:MAX_RESULT_BYTES].decode(errors="ignore")
