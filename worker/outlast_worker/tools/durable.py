"""Runs a durable tool's code and its steps; how they are kept is for whoever calls this.

The code may run many times for one call. So nothing here that its end depends on is by chance, and
what its steps came to is read from their records.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_json

from outlast.agent import Agent
from outlast.durable_context import DurableContext
from outlast.errors import StepError, ToolError, ToolStopped
from outlast.logging import get_logger
from outlast.protocol import Time
from outlast.tool import AnyTool
from outlast_worker.engine.names import durable_step
from outlast_worker.engine.operations import Operation
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import Record, ToolRecord
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.attempts import Attempts, TimedOut, retry_delay_s
from outlast_worker.tools.author_code import Contained, call_safely, kind_of, text_of
from outlast_worker.tools.results import (
    MAX_RESULT_BYTES,
    Failure,
    error_record,
    failure_of,
    invalid_arguments,
    result_record,
    shorten,
    unknown_tool,
)

_logger = get_logger()


class OutOfTime(ToolStopped):
    """The call has taken as long as it may."""


class StepFault(Record):
    """Why a step failed.

    `is_tool_error`: by a `ToolError`, whose text is for everybody. `final`: it is not tried again.
    `broken_off`: by a cancellation, which ends the call.
    """

    kind: str
    text: str
    is_tool_error: bool = False
    final: bool = False
    broken_off: bool = False


class StepRecord(Record):
    """What one attempt at a step came to: what the function returned, as JSON, or a fault."""

    value: JsonValue = None
    fault: StepFault | None = None


@dataclass(frozen=True)
class Step:
    """A step as the tool's code asks for it."""

    tool: AnyTool
    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def retry_after_s(self, attempt: int, record: StepRecord) -> float | None:
        """Return when the step is tried again; None if this attempt counts."""
        if record.fault is None or record.fault.final or attempt >= self.tool.retries:
            return None
        return retry_delay_s(attempt)

    def outcome_of(self, record: StepRecord) -> Any:
        """Return what the function returned, of the type that its hints say.

        Raises:
            ToolError: It raised that.
            StepError: It failed otherwise.
        """
        if record.fault is None:
            return _result_type(self.fn).validate_json(to_json(record.value))
        if record.fault.is_tool_error:
            raise ToolError(record.fault.text)
        raise StepError(self.name, record.fault.kind, record.fault.text)


@dataclass(frozen=True)
class TryStep(Operation[StepRecord]):
    """One attempt at a step."""

    step_of_tool: Step
    record: ClassVar[Any] = StepRecord

    @property
    def step(self) -> str:
        """The step's name: attempts share it."""
        return durable_step(self.step_of_tool.name)

    def cancelled(self, at: Time) -> StepRecord:  # noqa: ARG002  # a step shows no times
        """Return what ends the call."""
        fault = StepFault(kind="Cancelled", text="It was broken off.", final=True, broken_off=True)
        return StepRecord(fault=fault)

    def crashed(self, error: Exception, at: Time) -> StepRecord:  # noqa: ARG002  # as above
        """Return a fault of ours."""
        return _fault(kind_of(error), "The step's result can't be kept.", final=True)


async def try_step(attempts: Attempts, step: Step) -> StepRecord:
    """Call the function of a step once."""
    timeout_s = step.tool.step_timeout.total_seconds()
    called = replace(
        step.tool,
        fn=partial(step.fn, *step.args),
        name=f"{step.tool.name}, step {step.name}",
        timeout=step.tool.step_timeout,
        is_async=inspect.iscoroutinefunction(step.fn),
    )
    try:
        return _record_of(step, await attempts.call(called, dict(step.kwargs), timeout_s))
    except ToolError as error:
        return _fault("ToolError", text_of(error), is_tool_error=True)
    except TimedOut as late:
        return _fault("TimedOut", late.text, final=late.runs_on)
    except Exception as error:  # a function of an author's may raise anything
        _logger.warning("step_of_tool_failed", tool=step.tool.name, step=step.name, exc_info=True)
        return _fault(kind_of(error), text_of(error))


async def carry_out(
    agent: Agent,
    call: PlannedCall,
    make_context: Callable[[AnyTool], DurableContext[Any]],
    watch: Stopwatch,
) -> ToolRecord:
    """Carry out a call of a durable tool.

    Args:
        agent: Whose tool.
        call: What the model asked for.
        make_context: Makes what the tool does by.
        watch: Tells when the call began; what it says of the end is corrected by the caller.
    """
    tool = next((tool for tool in agent.functions if tool.name == call.name and tool.durable), None)
    if tool is None:
        return error_record(unknown_tool(agent, call), watch)
    context = make_context(tool)
    try:
        arguments = call_safely(tool.parse, call.arguments)
    except Exception as error:  # noqa: BLE001  # an author's validators may raise anything
        return error_record(invalid_arguments(tool, call, context, error), watch)
    return await _run(tool, arguments, context, watch)


async def _run(
    tool: AnyTool, arguments: dict[str, Any], context: DurableContext[Any], watch: Stopwatch
) -> ToolRecord:
    """Run a durable tool's code to its end, or to where it waits."""
    assert tool.context_parameter  # noqa: S101  # for types: a durable tool has one
    arguments = {**arguments, tool.context_parameter: context}
    try:
        return result_record(tool, await tool.fn(**arguments), watch)
    except ToolError as error:
        failure = Failure("tool_error", text_of(error))
    except OutOfTime as late:
        failure = Failure("timeout", str(late))
    except ToolStopped as stopped:
        failure = Failure("stopped", str(stopped))
    except StepError as error:
        failed = f"The tool {tool.name} failed in its step {error.step}: {error.kind}"
        failure = Failure(
            "tool_error", f"{failed}. The worker's log says more.", f"{failed}: {error.text}"
        )
    except (SystemExit, KeyboardInterrupt) as error:  # they would end the worker
        failure = failure_of(tool, context, 0, Contained(error))
    except Exception as error:  # noqa: BLE001  # a tool may raise anything; the model is told
        failure = failure_of(tool, context, 0, error)
    return error_record(failure, watch)


def _record_of(step: Step, result: Any) -> StepRecord:
    if inspect.iscoroutine(result):
        result.close()
        text = "It returned a coroutine; hand over the async function itself, with its arguments."
        return _fault("TypeError", text, final=True)
    value = _result_type(step.fn).dump_python(result, mode="json")
    if (size := len(to_json(value))) > MAX_RESULT_BYTES:
        text = f"Its result has {size} bytes; at most {MAX_RESULT_BYTES} can be kept."
        return _fault("TooLarge", text, final=True)
    return StepRecord(value=value)


def _fault(kind: str, text: str, *, is_tool_error: bool = False, final: bool = False) -> StepRecord:
    fault = StepFault(kind=kind, text=shorten(text), is_tool_error=is_tool_error, final=final)
    return StepRecord(fault=fault)


def _result_type(fn: Callable[..., Any]) -> TypeAdapter[Any]:
    """Return the type of what a function returns: anything, where its hints don't say."""
    try:
        hints = typing.get_type_hints(fn)
    except (AttributeError, NameError, TypeError):  # a partial, a builtin, a name of elsewhere
        hints = {}
    return TypeAdapter(hints.get("return", Any))
