"""Calls of tools that the worker brings along: they read skills, and search other tools."""

from collections.abc import Sequence
from functools import partial

from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.operations import RunBuiltIn
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import PinnedTool, ToolRecord


class BuiltInCalls(CallKind):
    """Executed, then recorded: what a run has read stays as it was, whatever is deployed."""

    def __init__(self, turn: Turn, tools: Sequence[PinnedTool]) -> None:
        super().__init__(turn)
        self._tools = tools

    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Begin the step."""
        self.turn.tell_start(call)
        step = self.turn.steps.begin(RunBuiltIn(call, tool, self._tools))
        self.turn.waits.add(step, partial(self._complete, call))

    async def _complete(self, call: PlannedCall, record: ToolRecord) -> None:
        self.turn.complete(call, record)
