"""One turn's tool calls: those that need a person's approval wait for it, the others run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from outlast.arguments import UnreadableArguments, read_arguments
from outlast.events import ToolCallCompleted, ToolCallStarted
from outlast.protocol import Approval, Resolution, Usage
from outlast_worker.engine.approvals import Approvals
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.limits import MAX_RUN_BYTES
from outlast_worker.engine.operations import CheckApproval, PlannedCall, RunTool
from outlast_worker.engine.records import (
    UNFINISHED,
    ApprovalCheck,
    Pin,
    RequestedCall,
    ToolRecord,
)
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Cancelled, Steps
from outlast_worker.engine.waits import Waits

_NOT_RUN = "The run was cancelled before this call was run."
_NOT_CHECKED = "This call could not be checked, so it was not run."
_SHOWN_ARGUMENTS_CHARS = 500


class ToolCalls:
    """Runs the calls side by side, and adds a result for each, in the order of the calls."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox, pin: Pin) -> None:
        self._steps = steps
        self._state = state
        self._tools = {tool.name: tool for tool in pin.tools}
        self._waits = Waits(steps, inbox)
        self._approvals = Approvals(steps, state, self._waits)
        self._records: dict[str, ToolRecord] = {}

    async def run(self, calls: Sequence[PlannedCall]) -> None:
        """Run a turn's calls to their ends."""
        for call in calls:
            tool = self._tools.get(call.name)
            if call.fault:
                fault = ToolRecord.failed(call.fault, "invalid_arguments", self._state.now)
                self._finish(call, fault)
            elif tool and tool.may_need_approval:
                self._waits.add(self._steps.begin(CheckApproval(call)), partial(self._check, call))
            else:
                self._start(call)
        try:
            while self._waits:
                self._show_what_it_waits_for()
                await self._waits.go_on()
            self._state.go_on()
        except Cancelled:
            for resolution in await self._approvals.withdraw():
                stopped = ToolRecord.failed(_NOT_RUN, "stopped", resolution.at)
                self._records[resolution.call_id] = stopped
            raise
        finally:
            for call in calls:
                self._add_result(call)

    def _start(self, call: PlannedCall) -> None:
        self._state.emit(
            ToolCallStarted,
            turn=call.turn,
            call_id=call.call_id,
            name=call.name,
            arguments=dict(call.arguments),
        )
        self._waits.add(self._steps.begin(RunTool(call)), partial(self._complete, call))

    async def _check(self, call: PlannedCall, check: ApprovalCheck) -> None:
        self._state.advance_clock(check.at)
        if check.outcome == "refused":
            text, error_type = check.reason or _NOT_CHECKED, check.error_type or "internal"
            record = ToolRecord.failed(text, error_type, check.at, told=check.told)
            return self._finish(call, record)
        if check.outcome == "not_needed":
            return self._start(call)
        timeout_s = self._tools[call.name].approval_timeout_s
        timeout = timedelta(seconds=timeout_s) if timeout_s else None
        approval = Approval(
            call_id=call.call_id,
            name=call.name,
            arguments=dict(call.arguments),
            requested_at=check.at,
            expires_at=check.at + timeout if timeout else None,
        )
        return self._approvals.request(approval, timeout, partial(self._follow, call))

    def _follow(self, call: PlannedCall, resolution: Resolution) -> None:
        """Do what was decided."""
        if resolution.action != "approve":
            text = _refusal(call, resolution)
            error_type = "expired" if resolution.action == "expired" else "rejected"
            return self._finish(call, ToolRecord.failed(text, error_type, resolution.at))
        if resolution.arguments is not None:
            call = replace(call, arguments=resolution.arguments)
        return self._start(call)

    async def _complete(self, call: PlannedCall, record: ToolRecord) -> None:
        self._state.change(usage=self._state.run.usage + Usage(tool_calls=1, cost_usd=0.0))
        self._finish(call, record, began=True)

    def _finish(self, call: PlannedCall, record: ToolRecord, *, began: bool = False) -> None:
        size = self._state.size
        if not size.has_room_for(record.output + (record.told or "")):
            left_out = {"output": _omission(call), "told": None, "is_error": True}
            record = record.model_copy(update={**left_out, "error_type": "too_large"})
        size.count_content(record.output + (record.told or ""))
        self._records[call.call_id] = record
        self._state.advance_clock(record.ended_at)
        self._state.emit(
            ToolCallCompleted,
            call_id=call.call_id,
            name=call.name,
            is_error=record.is_error,
            output=record.output,
            duration_ms=record.duration_ms,
            started_at=record.started_at if began else None,
            error_type=record.error_type,
        )

    def _show_what_it_waits_for(self) -> None:
        if self._approvals.wait_count < len(self._waits):
            self._state.go_on()
        elif self._state.run.status != "waiting":
            self._state.wait_for_people()

    def _add_result(self, call: PlannedCall) -> None:
        record = self._records.get(call.call_id)
        self._state.add_message(
            "tool",
            record.output if record else UNFINISHED,
            call_id=call.call_id,
            is_error=record.is_error if record else True,
            approval=self._approvals.resolution_of(call.call_id),
            told=record.told if record else None,
        )


def plan_call(turn: int, index: int, requested: RequestedCall, *, known: bool) -> PlannedCall:
    """Read a call that a model asked for."""
    call_id, name = f"{turn}.{index}", requested.name
    try:
        arguments = read_arguments(requested.arguments)
    except UnreadableArguments as error:
        shown = requested.arguments[:_SHOWN_ARGUMENTS_CHARS]
        fault = f"The arguments of {name} can't be read: {error}. They were: {shown}"
        return PlannedCall(turn, call_id, name, {}, known, fault)
    return PlannedCall(turn, call_id, name, arguments, known)


def _refusal(call: PlannedCall, resolution: Resolution) -> str:
    if resolution.action == "expired":
        return f"Nobody approved this call of {call.name} in time, so it was not run."
    reason = f": {resolution.reason}" if resolution.reason else "."
    return f"This call of {call.name} was rejected by a person and not run{reason}"


def _omission(call: PlannedCall) -> str:
    return (
        f"The result of {call.name} is left out: the run has reached its limit of "
        f"{MAX_RUN_BYTES} bytes. Answer with what you know."
    )
