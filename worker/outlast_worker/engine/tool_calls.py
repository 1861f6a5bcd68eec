"""One turn's tool calls: those that need a person's approval wait for it, the others run."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_json

from outlast.events import ApprovalRequested, ApprovalResolved, ToolCallCompleted, ToolCallStarted
from outlast.protocol import Approval, Resolution, Usage, check_json
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.records import STOPPED, ApprovalCheck, Pin, ToolRecord
from outlast_worker.engine.run_state import MAX_RUN_BYTES, Progress
from outlast_worker.engine.steps import Cancelled, Pending, PlannedCall, Steps

_NOT_APPROVED = "The run was cancelled before anybody had decided."
_NOT_RUN = "The run was cancelled before this call was run."
_OBJECT = TypeAdapter[dict[str, JsonValue]](dict[str, JsonValue])


class ToolCalls:
    """Runs the calls side by side, and adds a result for each, in the order of the calls."""

    def __init__(self, steps: Steps, progress: Progress, inbox: Inbox, pin: Pin) -> None:
        self._steps = steps
        self._progress = progress
        self._inbox = inbox
        self._tools = {tool.name: tool for tool in pin.tools}
        self._pending: dict[Pending[Any], Callable[[Any], Awaitable[None]]] = {}
        self._asked: dict[str, list[Pending[Any]]] = {}
        self._records: dict[str, ToolRecord] = {}
        self._resolutions: dict[str, Resolution] = {}

    async def run(self, calls: Sequence[PlannedCall]) -> None:
        """Run a turn's calls to their ends."""
        for call in calls:
            tool = self._tools.get(call.name)
            if tool and tool.may_need_approval:
                self._begin(self._steps.check_approval(call), partial(self._checked, call))
            else:
                self._start(call)
        try:
            await self._go_on()
        except Cancelled:
            await self._withdraw()
            raise
        finally:
            for call in calls:
                self._add_result(call)

    async def _go_on(self) -> None:
        while self._pending:
            self._show_what_it_waits_for()
            for done in await self._inbox.wait(*self._pending):
                # A decision takes its timer along, which may be done in the same moment.
                if continue_with := self._pending.pop(done, None):
                    await continue_with(await self._steps.value(done))

    def _begin(
        self, pending: Pending[Any], continue_with: Callable[[Any], Awaitable[None]]
    ) -> None:
        self._pending[pending] = continue_with

    def _start(self, call: PlannedCall) -> None:
        self._progress.emit(
            ToolCallStarted,
            turn=call.turn,
            call_id=call.call_id,
            name=call.name,
            arguments=shown_arguments(call.arguments),
        )
        self._begin(self._steps.call_tool(call), partial(self._ran, call))

    async def _checked(self, call: PlannedCall, check: ApprovalCheck) -> None:
        self._progress.reach(check.at)
        if not check.needed:
            return self._start(call)
        timeout_s = self._tools[call.name].approval_timeout_s
        expires_at = check.at + timedelta(seconds=timeout_s) if timeout_s else None
        approval = Approval(
            call_id=call.call_id,
            name=call.name,
            arguments=shown_arguments(call.arguments),
            requested_at=check.at,
            expires_at=expires_at,
        )
        self._progress.weigh(approval)
        # Whoever hears of it may decide at once: so it is in the state before it is told.
        self._progress.change(approvals=[*self._progress.run.approvals, approval])
        self._progress.save()
        self._progress.emit(
            ApprovalRequested,
            call_id=call.call_id,
            name=call.name,
            arguments=approval.arguments,
            expires_at=expires_at,
        )
        decision = self._steps.decision(call.call_id)
        self._asked[call.call_id] = [decision]
        self._begin(decision, partial(self._decided, call))
        if timeout_s and expires_at:
            timer = self._steps.timer(timedelta(seconds=timeout_s))
            self._asked[call.call_id].append(timer)
            expired = Resolution(call_id=call.call_id, action="expired", at=expires_at)
            self._begin(timer, partial(self._expired, call, expired))
        return None

    async def _expired(self, call: PlannedCall, expired: Resolution, _: None) -> None:
        await self._decided(call, await self._steps.settle(expired))

    async def _decided(self, call: PlannedCall, resolution: Resolution) -> None:
        self._resolve(resolution)
        if resolution.action != "approve":
            text = _refused(call, resolution)
            return self._finish(call, _as_record(text, resolution))
        if resolution.arguments is not None:
            call = replace(call, arguments=to_json(resolution.arguments).decode())
        return self._start(call)

    async def _ran(self, call: PlannedCall, record: ToolRecord) -> None:
        self._progress.change(usage=self._progress.run.usage + Usage(tool_calls=1))
        self._finish(call, record)

    def _finish(self, call: PlannedCall, record: ToolRecord) -> None:
        if not self._progress.fits(record.output):
            record = record.model_copy(update={"output": _left_out(call), "is_error": True})
        self._records[call.call_id] = record
        self._progress.reach(record.ended_at)
        self._progress.emit(
            ToolCallCompleted,
            call_id=call.call_id,
            name=call.name,
            is_error=record.is_error,
            output=record.output,
            duration_ms=record.duration_ms,
        )

    def _resolve(self, resolution: Resolution) -> None:
        """Write down what was decided, and wait for it no longer."""
        for pending in self._asked.pop(resolution.call_id):
            self._pending.pop(pending, None)
        self._resolutions[resolution.call_id] = resolution
        self._progress.weigh(resolution)
        self._progress.reach(resolution.at)
        self._progress.become(
            "running",
            waiting_for=None,
            approvals=[
                approval.model_copy(update={"resolution": resolution})
                if approval.call_id == resolution.call_id
                else approval
                for approval in self._progress.run.approvals
            ],
        )
        self._progress.emit(ApprovalResolved, **resolution.model_dump())

    async def _withdraw(self) -> None:
        """End what waits for a person, so that nobody decides on it any more."""
        while call_id := next(iter(self._asked), None):
            withdrawn = Resolution(
                call_id=call_id, action="reject", at=self._progress.now, reason=_NOT_APPROVED
            )
            try:
                resolution = await self._steps.settle(withdrawn)
            except Cancelled:
                continue  # each fires once
            self._resolve(resolution)
            self._records[call_id] = _as_record(_NOT_RUN, resolution)

    def _show_what_it_waits_for(self) -> None:
        waiting = sum(len(pending) for pending in self._asked.values()) == len(self._pending)
        status = "waiting" if waiting else "running"
        if self._progress.run.status != status:
            self._progress.become(status, waiting_for="approval" if waiting else None)

    def _add_result(self, call: PlannedCall) -> None:
        record = self._records.get(call.call_id)
        self._progress.say(
            "tool",
            record.output if record else STOPPED,
            call_id=call.call_id,
            is_error=record.is_error if record else True,
            approval=self._resolutions.get(call.call_id),
        )


def shown_arguments(arguments: str) -> dict[str, JsonValue]:
    """Return the arguments as an object; what is no object is told to the model as an error."""
    try:
        parsed = _OBJECT.validate_json(arguments or "{}")
        check_json(parsed)
    except ValueError:
        return {}
    return parsed


def _as_record(text: str, resolution: Resolution) -> ToolRecord:
    return ToolRecord(output=text, is_error=True, started_at=resolution.at, ended_at=resolution.at)


def _refused(call: PlannedCall, resolution: Resolution) -> str:
    if resolution.action == "expired":
        return f"Nobody approved this call of {call.name} in time, so it was not run."
    reason = f": {resolution.reason}" if resolution.reason else "."
    return f"This call of {call.name} was rejected by a person and not run{reason}"


def _left_out(call: PlannedCall) -> str:
    return (
        f"The result of {call.name} is left out: the run has reached its limit of "
        f"{MAX_RUN_BYTES} bytes. Answer with what you know."
    )
