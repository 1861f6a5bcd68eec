"""Calls of functions that may be executed again: one step each."""

from functools import partial

from outlast_worker.engine.calls.answers import ask_people
from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.operations import RunTool
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import PinnedTool, ToolRecord


class FunctionCalls(CallKind):
    """Executed, then recorded; one that a crash has cut is executed again, with the same key."""

    def begin(self, call: PlannedCall, tool: PinnedTool | None) -> None:
        """Begin the step. Without a pinned tool the model made the name up, and is told so."""
        self.turn.tell_start(call)
        self._run(tool, call)

    def _run(self, tool: PinnedTool | None, call: PlannedCall) -> None:
        step = self.turn.steps.begin(RunTool(call))
        self.turn.waits.add(step, partial(self._complete, tool, call))

    async def _complete(
        self, tool: PinnedTool | None, call: PlannedCall, record: ToolRecord
    ) -> None:
        if tool and record.asks:
            self.turn.state.advance_clock(record.ended_at)
            return ask_people(self.turn, tool, call, record.asks, partial(self._run, tool))
        return self.turn.complete(call, record)
