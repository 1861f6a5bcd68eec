"""Calls of tools that clients run: asked for, then answered, expired or withdrawn."""

from datetime import timedelta
from functools import partial
from typing import Literal

from outlast.contract import ClientResult
from outlast.events import ToolCallRequested
from outlast.protocol import ClientCall, Time
from outlast.tool_output import ToolOutput
from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.operations import CheckArguments
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.questions import Question
from outlast_worker.engine.records import ApprovalCheck, PinnedTool, ToolRecord

_NOT_ANSWERED = "No client sent the result of this call of {name} in time."
_WITHDRAWN = "The run was cancelled before a client had sent the result of this call."


class ClientCalls(CallKind):
    """Run by somebody outside, who is told by an event and answers over HTTP."""

    unfinished = _WITHDRAWN

    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Check the arguments: no client sees a call that does not fit."""
        step = self.turn.steps.begin(CheckArguments(call, tool.parameters))
        self.turn.waits.add(step, partial(self._ask, call, tool))

    async def _ask(self, call: PlannedCall, tool: PinnedTool, check: ApprovalCheck) -> None:
        state, steps = self.turn.state, self.turn.steps
        state.advance_clock(check.at)
        if check.outcome == "refused":
            text, error_type = check.reason or "", check.error_type or "internal"
            return self.turn.refuse(call, ToolRecord.failed(text, error_type, check.at))
        timeout = timedelta(seconds=tool.timeout_s or 0)
        asked = ClientCall(
            call_id=call.call_id,
            name=call.name,
            arguments=dict(call.arguments),
            requested_at=check.at,
            expires_at=check.at + timeout,
        )
        # Whoever hears of it may answer at once: so it is in the state before it is told.
        state.add_client_call(asked)
        state.emit(
            ToolCallRequested,
            turn=call.turn,
            call_id=call.call_id,
            name=call.name,
            arguments=asked.arguments,
            expires_at=asked.expires_at,
        )
        return self.turn.questions.ask(
            Question(
                wait=OpenWait(
                    kind="client",
                    id=call.call_id,
                    call_id=call.call_id,
                    text=f"a client's result of {call.name}",
                    until=asked.expires_at,
                ),
                answer=steps.expect_result(call.call_id),
                timeout=timeout,
                without_answer=partial(_without_answer, call),
                close=steps.close_result,
                keep=self._keep,
                answered=partial(self._follow, call, asked),
                withdrawn=partial(self._leave, call, asked),
            )
        )

    def _keep(self, result: ClientResult) -> None:
        self.turn.state.advance_clock(result.at)
        self.turn.state.answer_client_call(result.answer)

    def _follow(self, call: PlannedCall, asked: ClientCall, result: ClientResult) -> None:
        if result.outcome == "answered":
            return self.turn.complete(call, _record(asked, result))
        text = _NOT_ANSWERED.format(name=call.name)
        return self.turn.refuse(call, ToolRecord.failed(text, "expired", result.at))

    def _leave(self, call: PlannedCall, asked: ClientCall, result: ClientResult) -> None:
        """Keep a result that was taken: whoever sent it was told so."""
        if result.outcome == "answered":
            return self.turn.leave(call, _record(asked, result))
        return self.turn.leave(call, ToolRecord.failed(_WITHDRAWN, "stopped", result.at))


def _record(asked: ClientCall, result: ClientResult) -> ToolRecord:
    content = result.output
    parts = None if isinstance(content, str) else content
    return ToolRecord(
        output=content if isinstance(content, str) else ToolOutput(*content).text,
        parts=parts,
        is_error=result.is_error,
        started_at=asked.requested_at,
        ended_at=result.at,
        error_type="tool_error" if result.is_error else None,
    )


def _without_answer(
    call: PlannedCall, how: Literal["expired", "withdrawn"], at: Time
) -> ClientResult:
    return ClientResult(call_id=call.call_id, outcome=how, at=at)
