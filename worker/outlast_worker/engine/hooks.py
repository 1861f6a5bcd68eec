"""A run's hooks: called in their order, each in a step, and done what they say."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from outlast.hooks import HookedCall, ModelAnswer, Prompt, RequestedTool, ToolResult
from outlast.protocol import RunError, Usage
from outlast_worker.engine.exceptions import RunFailed
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import CallHook, HookSubject
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    HookPoint,
    HookRecord,
    ModelRecord,
    Pin,
    PinnedHook,
    RequestedCall,
    ToolRecord,
)
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Pending, Steps


class Checked(NamedTuple):
    """A model's answer that may be shown; if `again` says why not, it goes back to the model."""

    answer: ModelRecord
    again: str | None = None


class Hooks:
    """Those of one run; there are none before its definition is pinned."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._steps = steps
        self._state = state
        self._inbox = inbox
        self._pin: Pin | None = None

    def pin(self, pin: Pin) -> None:
        """Take those of a definition."""
        self._pin = pin

    def at(self, point: HookPoint) -> Sequence[PinnedHook]:
        """Return the hooks that are called at a point, in their order."""
        return self._pin.hooks_at(point) if self._pin else ()

    def begin(
        self, hook: PinnedHook, subject: HookSubject, result: ToolResult | None = None
    ) -> Pending[HookRecord]:
        """Begin to call one, in a turn that does other things meanwhile."""
        return self._steps.begin(CallHook(hook, subject, result))

    async def before_model(self, pin: Pin, turn: int) -> Pin | ModelRecord:
        """Return with which definition the model is asked, or what counts as its answer.

        Raises:
            RunFailed: It is not to be asked.
        """
        for hook in self.at("before_model"):
            messages = [message.as_read() for message in self._state.conversation.messages]
            request = Prompt(turn=turn, instructions=pin.instructions, messages=messages)
            record = await self._call(hook, request)
            if record.verdict == "instead":
                return _answer_instead(hook, record)
            raise_if_refused(hook, record)
            if record.instructions is not None:
                pin = pin.model_copy(update={"instructions": record.instructions})
            if record.texts:
                self._state.conversation.retell(record.texts)
        return pin

    async def after_model(self, turn: int, answer: ModelRecord) -> Checked:
        """Return an answer as it may be shown.

        Raises:
            RunFailed: It may not.
        """
        for hook in self.at("after_model"):
            calls = [RequestedTool(name=c.name, arguments=c.arguments) for c in answer.calls]
            record = await self._call(hook, ModelAnswer(turn=turn, text=answer.text, calls=calls))
            if record.verdict in ("refuse", "failed"):
                self._count(answer)
            raise_if_refused(hook, record)
            if record.verdict == "ask_again":
                return Checked(answer.model_copy(update={"calls": []}), record.text or "")
            answer = _changed(answer, record)
        return Checked(answer)

    async def on_end(self) -> RunError | None:
        """Tell that the run ends as it is now; return why it fails, if one of them does."""
        for hook in self.at("on_end"):
            called = self.begin(hook, self._state.run)
            await self._steps.wait_for_any([called])  # the inbox is closed
            record = await self._steps.result_of(called)
            self._state.advance_clock(record.at)
            if record.verdict == "failed":
                return _failure(hook, record)
        return None

    async def _call(self, hook: PinnedHook, subject: HookSubject) -> HookRecord:
        record = await self._inbox.result_of(self.begin(hook, subject))
        self._state.advance_clock(record.at)
        return record

    def _count(self, answer: ModelRecord) -> None:
        """Count what an answer cost that nobody sees."""
        self._state.change(usage=self._state.run.usage + answer.usage)


@dataclass(frozen=True)
class Verdict:
    """What is to become of a tool call: run as it is here, or not, as `refused` says."""

    call: PlannedCall
    refused: ToolRecord | None = None
    question: str | None = None
    """What a person is asked, if a hook wants one to approve the call."""


class CallHooks:
    """The hooks of one turn's calls, which are carried out side by side.

    Args:
        hooks: The run's.
        state: The run's.
        wait: Waits for a step, and then goes on.
    """

    def __init__(
        self,
        hooks: Hooks,
        state: RunState,
        wait: Callable[[Pending[HookRecord], Callable[[HookRecord], Awaitable[None]]], None],
    ) -> None:
        self._hooks = hooks
        self._state = state
        self._wait = wait

    def before(self, call: PlannedCall, go_on: Callable[[Verdict], None]) -> None:
        """Call what looks at calls before they run; go on at once if nothing does."""
        self._before(self._hooks.at("before_tool"), Verdict(call), go_on)

    def after(
        self, call: PlannedCall, record: ToolRecord, go_on: Callable[[ToolRecord], None]
    ) -> None:
        """Call what looks at results; go on at once if nothing does."""
        self._after(self._hooks.at("after_tool"), call, record, go_on)

    def _before(
        self, left: Sequence[PinnedHook], verdict: Verdict, go_on: Callable[[Verdict], None]
    ) -> None:
        if verdict.refused or not left:
            return go_on(verdict)
        hook, *others = left

        async def follow(record: HookRecord) -> None:
            self._state.advance_clock(record.at)
            self._before(others, _judge(hook, verdict, record), go_on)

        return self._wait(self._hooks.begin(hook, _as_seen(verdict.call)), follow)

    def _after(
        self,
        left: Sequence[PinnedHook],
        call: PlannedCall,
        record: ToolRecord,
        go_on: Callable[[ToolRecord], None],
    ) -> None:
        if not left:
            return go_on(record)
        hook, *others = left

        async def follow(said: HookRecord) -> None:
            self._state.advance_clock(said.at)
            self._after(others, call, _judge_result(hook, record, said), go_on)

        told = record.output if record.told is None else record.told
        result = ToolResult(output=told, is_error=record.is_error)
        return self._wait(self._hooks.begin(hook, _as_seen(call), result), follow)


def raise_if_refused(hook: PinnedHook, record: HookRecord) -> None:
    """Fail the run if a hook does not let it go on, or has failed itself.

    Raises:
        RunFailed: It does not.
    """
    if record.verdict == "failed":
        raise RunFailed(_failure(hook, record))
    if record.verdict == "refuse":
        raise RunFailed(
            RunError(type="guardrail", message=f"{hook.name}: {record.text}", retryable=False)
        )


def _failure(hook: PinnedHook, record: HookRecord) -> RunError:
    message = f"The hook {hook.name} ({hook.point}) failed: {record.text}."
    return RunError(type="hook-failed", message=message, retryable=False)


def _judge(hook: PinnedHook, verdict: Verdict, record: HookRecord) -> Verdict:
    text = record.text or ""
    match record.verdict:
        case "refuse":
            refused = ToolRecord.failed(
                text, record.error_type or "refused", record.at, record.told
            )
            return replace(verdict, refused=refused)
        case "instead":
            given = ToolRecord(
                output=text, is_error=False, started_at=record.at, ended_at=record.at
            )
            return replace(verdict, refused=given)
        case "ask_person":
            return replace(verdict, question=verdict.question or text)
        case _:
            raise_if_refused(hook, record)
    if record.arguments is None:
        return verdict
    return replace(verdict, call=replace(verdict.call, arguments=record.arguments))


def _judge_result(hook: PinnedHook, record: ToolRecord, said: HookRecord) -> ToolRecord:
    if said.verdict == "refuse":
        changes = {"output": said.text or "", "is_error": True, "error_type": "refused"}
        return record.model_copy(update={**changes, "told": None, "parts": None})
    raise_if_refused(hook, said)
    if said.output is None:
        return record
    is_error = record.is_error if said.is_error is None else said.is_error
    error_type = (record.error_type or "tool_error") if is_error else None
    changes = {"output": said.output, "is_error": is_error, "error_type": error_type}
    return record.model_copy(update={**changes, "told": None, "parts": None})


def _changed(answer: ModelRecord, record: HookRecord) -> ModelRecord:
    """Return an answer as a hook has left it; what led to what is gone goes with it."""
    changes: dict[str, object] = {}
    if record.text is not None and record.text != answer.text:
        changes["text"] = record.text
    if record.calls is not None:
        changes["calls"] = record.calls
    gone = {"opaque": None, "reasoning": None}
    return answer.model_copy(update={**changes, **gone}) if changes else answer


def _answer_instead(hook: PinnedHook, record: HookRecord) -> ModelRecord:
    return ModelRecord(
        text=record.text or "",
        calls=list[RequestedCall](),
        finish_reason="stop",
        usage=Usage(cost_usd=0.0),
        model=f"hook:{hook.name}",
        started_at=record.at,
        ended_at=record.at,
    )


def _as_seen(call: PlannedCall) -> HookedCall:
    return HookedCall(
        turn=call.turn, call_id=call.call_id, name=call.name, arguments=dict(call.arguments)
    )
