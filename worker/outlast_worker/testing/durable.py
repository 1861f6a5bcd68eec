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
from outlast_worker.tools.attempts import Attempts
from outlast_worker.tools.durable import Step, carry_out, try_step


async def call_in_memory(
    execution: Execution, call: PlannedCall, signals: Mapping[str, JsonValue]
) -> ToolRecord:
    """Carry out a durable tool's call.

    Args:
        execution: Of the run.
        call: What the model asked for.
        signals: What is sent to it, by name.
    """

    def make_context(tool: AnyTool) -> DurableContext[Any]:
        journal = _Journal(execution.tools.attempts, tool, signals)
        return DurableContext(**vars(execution.tool_context(call)), journal=journal)

    return await carry_out(execution.agent, call, make_context, Stopwatch())


class _Journal(MemoryJournal):
    """Tries steps as the worker does; what they return is read as from a journal."""

    def __init__(self, attempts: Attempts, tool: AnyTool, signals: Mapping[str, JsonValue]) -> None:
        super().__init__(signals)
        self._attempts = attempts
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
        record = await try_step(self._attempts, step)
        while step.retry_after_s(attempt, record) is not None:
            attempt += 1
            record = await try_step(self._attempts, step)
        return step.outcome_of(record)
