"""One turn's tool calls, side by side: each is read, checked, approved if need be, and begun.

How it is carried out from there on is its kind's: one file each in `engine/calls/`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from outlast.contract import Allowance
from outlast.protocol import Approval, Resolution, Time
from outlast_worker.engine.calls.agent import AgentCalls
from outlast_worker.engine.calls.built_in import BuiltInCalls
from outlast_worker.engine.calls.client import ClientCalls
from outlast_worker.engine.calls.durable import DurableCalls
from outlast_worker.engine.calls.function import FunctionCalls
from outlast_worker.engine.calls.handoff import HandoffCalls, TakenOver
from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.calls.once import OnceCalls
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.exceptions import Cancelled, RunFailed, StepFailed
from outlast_worker.engine.hooks import CallHooks, Hooks, Verdict
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import CheckApproval
from outlast_worker.engine.pinning import Pinning
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ApprovalCheck, Pin, ToolKind, ToolRecord
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps
from outlast_worker.engine.waits import Waits

NOT_RUN = "The run was cancelled before this call was run."
_NOT_CHECKED = "This call could not be checked, so it was not run."


class ToolCalls:
    """Carries the calls out, and adds a result for each, in the order of the calls."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox, pin: Pin, hooks: Hooks) -> None:
        self._steps = steps
        self._state = state
        self._tools = {tool.name: tool for tool in pin.tools}
        self._waits = Waits(steps, state, inbox)
        self._hooks = CallHooks(hooks, state, self._waits.add)
        self._turn = Turn(steps, state, self._waits, self._hooks)
        self._handoffs = HandoffCalls(self._turn, Pinning(steps, state, inbox))
        self._functions = FunctionCalls(self._turn)
        self._kinds: dict[ToolKind, CallKind] = {
            "function": self._functions,
            "once": OnceCalls(self._turn),
            "client": ClientCalls(self._turn),
            "agent": AgentCalls(self._turn),
            "durable": DurableCalls(self._turn),
            "built_in": BuiltInCalls(self._turn, pin.tools),
            "handoff": self._handoffs,
        }

    @property
    def taken_over(self) -> TakenOver | None:
        """How another agent has taken the run over, if one has."""
        return self._handoffs.taken

    async def run(self, calls: Sequence[PlannedCall], allowance: Allowance | None = None) -> None:
        """Run a turn's calls to their ends.

        Args:
            calls: The calls.
            allowance: What runs may use that are called; None for anything.
        """
        for kind in self._kinds.values():
            kind.prepare([call for call in calls if self._kind_of(call) is kind], allowance)
        for call in calls:
            self._take_up(call)
        try:
            await self._waits.finish()
            await self._handoffs.hand_over(calls)
            await self._waits.finish()
        except (Cancelled, RunFailed, StepFailed) as cut:
            await self._turn.questions.withdraw()
            for kind in self._kinds.values():
                await kind.stop(was_cancelled=isinstance(cut, Cancelled))
                kind.conclude()
            raise
        else:
            for kind in self._kinds.values():
                kind.conclude()
        finally:
            for call in calls:
                self._add_result(call)

    def _take_up(self, call: PlannedCall) -> None:
        tool = self._tools.get(call.name)
        if call.fault:
            fault = ToolRecord.failed(call.fault, call.fault_type, self._state.now)
            self._turn.refuse(call, fault)
        elif tool:
            self._hooks.before(call, self._judge)
        else:
            self._begin(call)

    def _judge(self, verdict: Verdict) -> None:
        """Do what hooks want of a call."""
        call = verdict.call
        if verdict.refused:
            self._turn.refuse(call, verdict.refused)
        elif verdict.question is not None:
            self._ask_person(call, self._state.now, verdict.question)
        elif self._tools[call.name].may_need_approval:
            self._waits.add(self._steps.begin(CheckApproval(call)), partial(self._check, call))
        else:
            self._begin(call)

    async def _check(self, call: PlannedCall, check: ApprovalCheck) -> None:
        self._state.advance_clock(check.at)
        if check.outcome == "refused":
            text, error_type = check.reason or _NOT_CHECKED, check.error_type or "internal"
            refused = ToolRecord.failed(text, error_type, check.at, told=check.told)
            return self._turn.refuse(call, refused)
        if check.outcome == "not_needed":
            return self._begin(call)
        child = self._tools[call.name].child
        question = f"May the agent {child.agent} be asked this?" if child else None
        return self._ask_person(call, check.at, question)

    def _ask_person(self, call: PlannedCall, at: Time, question: str | None = None) -> None:
        timeout = self._tools[call.name].approval_timeout
        approval = Approval(
            call_id=call.call_id,
            name=call.name,
            arguments=dict(call.arguments),
            question=question,
            requested_at=at,
        )
        self._turn.approvals.request(
            approval, timeout, partial(self._follow, call), partial(self._leave, call)
        )

    def _follow(self, call: PlannedCall, resolution: Resolution) -> None:
        """Do what was decided."""
        if resolution.action != "approve":
            error_type = "expired" if resolution.action == "expired" else "rejected"
            refused = ToolRecord.failed(_refusal(call, resolution), error_type, resolution.at)
            return self._turn.refuse(call, refused)
        if resolution.arguments is not None:
            call = replace(call, arguments=resolution.arguments)
        return self._begin(call)

    def _leave(self, call: PlannedCall, resolution: Resolution) -> None:
        self._turn.leave(call, ToolRecord.failed(NOT_RUN, "stopped", resolution.at))

    def _begin(self, call: PlannedCall) -> None:
        """Carry a call out, of which nothing changes any more."""
        if tool := self._tools.get(call.name):
            self._kinds[tool.kind].begin(call, tool)
        else:
            self._functions.begin(call, None)

    def _kind_of(self, call: PlannedCall) -> CallKind:
        tool = self._tools.get(call.name)
        return self._kinds[tool.kind if tool else "function"]

    def _add_result(self, call: PlannedCall) -> None:
        record = self._turn.record_of(call)
        if record and record.told:
            self._steps.keep.told(call.call_id, record.told)
        self._state.conversation.add(
            "tool",
            record.content if record else self._kind_of(call).unfinished,
            call_id=call.call_id,
            is_error=record.is_error if record else True,
            approval=self._turn.approvals.resolution_of(call.call_id),
            told=record.told if record else None,
            handed_over_to=self._handoffs.taker_by(call) if record else None,
        )


def _refusal(call: PlannedCall, resolution: Resolution) -> str:
    if resolution.action == "expired":
        return f"Nobody approved this call of {call.name} in time, so it was not run."
    reason = f": {resolution.reason}" if resolution.reason else "."
    return f"This call of {call.name} was rejected by a person and not run{reason}"
