"""Calls of durable tools: each has a journal of its own, in a handler that the run calls.

The call tells the run when it waits and when it goes on, in numbered reports that the run journals
as it does messages. So what the run shows of it replays.
"""

from contextlib import suppress
from functools import partial

from outlast.protocol import WaitKind
from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import DurableReport, PinnedTool, ToolRecord
from outlast_worker.engine.steps import Pending


class DurableCalls(CallKind):
    """A crash in the middle costs nothing that was done; a cancellation reaches the call."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(turn)
        self._open: dict[str, Pending[ToolRecord]] = {}
        self._reports: dict[str, Pending[DurableReport]] = {}

    async def stop(self, *, was_cancelled: bool) -> None:
        """Have the calls end, so that nothing goes on for a run that has ended."""
        for called in () if was_cancelled else tuple(self._open.values()):
            with suppress(Cancelled):  # which has reached that one, too
                await self.turn.steps.cancel_durable(called)

    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Call the handler."""
        self.turn.tell_start(call)
        called = self.turn.steps.call_durable(call, tool.signals or [])
        self._open[call.call_id] = called
        self.turn.waits.add(called, partial(self._end, call))
        self._expect_report(call, called, 0, None)

    def _expect_report(
        self, call: PlannedCall, called: Pending[ToolRecord], index: int, wait: OpenWait | None
    ) -> None:
        report = self.turn.steps.expect_report(call.call_id, index)
        self._reports[call.call_id] = report
        self.turn.waits.add(report, partial(self._hear, call, called, index), wait)

    async def _hear(
        self, call: PlannedCall, called: Pending[ToolRecord], index: int, report: DurableReport
    ) -> None:
        self.turn.state.advance_clock(report.at)
        wait = _show(call, report)
        self.turn.waits.mark(called, wait)
        self._expect_report(call, called, index + 1, wait)

    async def _end(self, call: PlannedCall, record: ToolRecord) -> None:
        del self._open[call.call_id]
        self.turn.waits.drop(self._reports.pop(call.call_id))
        self.turn.steps.close_durable(call.call_id)
        self.turn.complete(call, record)


def _show(call: PlannedCall, report: DurableReport) -> OpenWait | None:
    if report.waits is None:
        return None
    kind: WaitKind = report.waits
    text = f"{call.name} to go on"
    if report.signal:
        text = f"the signal {report.signal} of {call.name}"
    return OpenWait(kind, call.call_id, text, call_id=call.call_id, until=report.until)
