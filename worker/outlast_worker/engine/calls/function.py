"""Calls of functions that may be executed again: one step each."""

from functools import partial

from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.operations import PlannedCall, RunTool
from outlast_worker.engine.records import PinnedTool, ToolRecord


class FunctionCalls(CallKind):
    """Executed, then recorded; one that a crash has cut is executed again, with the same key."""

    def begin(self, call: PlannedCall, tool: PinnedTool | None) -> None:  # noqa: ARG002  # one step, whatever it is
        """Begin the step."""
        self.turn.tell_start(call)
        step = self.turn.steps.begin(RunTool(call))
        self.turn.waits.add(step, partial(self._complete, call))

    async def _complete(self, call: PlannedCall, record: ToolRecord) -> None:
        self.turn.complete(call, record)
