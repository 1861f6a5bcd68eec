"""Durable tools in memory: their steps really run, and no time passes between them."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue

from outlast.durable_context import DurableContext, MemoryJournal
from outlast.tool import AnyTool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ToolRecord
from outlast_worker.execution import Execution
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.author_code import call_safely
from outlast_worker.tools.durable import Step, carry_out, try_step
from outlast_worker.tools.runner import (
    ToolRunner,
    error_record,
    invalid_arguments,
    unknown_tool,
)


async def call_in_memory(
    execution: Execution, call: PlannedCall, signals: Mapping[str, JsonValue]
) -> ToolRecord:
    """Carry out a durable tool's call.

    Args:
        execution: Of the run.
        call: What the model asked for.
        signals: What is sent to it, by name.
    """
    watch = Stopwatch()
    agent = execution.agent
    tool = next((tool for tool in agent.functions if tool.name == call.name and tool.durable), None)
    if tool is None:
        return error_record(unknown_tool(agent, call), watch)
    journal = _Journal(execution.tools, tool, signals)
    context = DurableContext(**vars(execution.tool_context(call)), journal=journal)
    try:
        arguments = call_safely(tool.parse, call.arguments)
    except Exception as error:  # noqa: BLE001  # an author's validators may raise anything
        return error_record(invalid_arguments(tool, call, context, error), watch)
    return await carry_out(tool, arguments, context, watch)


class _Journal(MemoryJournal):
    """Tries steps as the worker does; what they return is read as from a journal."""

    def __init__(self, runner: ToolRunner, tool: AnyTool, signals: Mapping[str, JsonValue]) -> None:
        super().__init__(signals)
        self._runner = runner
        self._tool = tool

    async def step(
        self,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Call the function, and again while it fails and may be retried."""
        step = Step(self._tool, name, fn, args, kwargs)
        attempt = 0
        record = await try_step(self._runner, step)
        while step.retry_after_s(attempt, record) is not None:
            attempt += 1
            record = await try_step(self._runner, step)
        return step.outcome_of(record)
