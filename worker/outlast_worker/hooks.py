"""Calls one hook of an author's, and writes down what it returned: whatever that is, a record."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from outlast.agent import Agent
from outlast.arguments import UnreadableArguments, read_arguments
from outlast.hooks import (
    AnyHook,
    AskAgain,
    AskPerson,
    HookedCall,
    Instead,
    ModelAnswer,
    Prompt,
    Refuse,
    RequestedTool,
    ToolResult,
)
from outlast.logging import get_logger
from outlast.run_context import RunContext
from outlast_worker.contexts import tool_context
from outlast_worker.engine.operations import CallHook
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import HookRecord, PinnedHook, RequestedCall
from outlast_worker.text import repair_surrogates
from outlast_worker.tools.author_code import TookTooLong, call_in_time, kind_of
from outlast_worker.tools.results import MAX_RESULT_BYTES
from outlast_worker.tools.runner import ToolRunner

_RETURNS = {
    "before_model": "Prompt, Instead, Refuse",
    "after_model": "ModelAnswer, AskAgain, Refuse",
    "before_tool": "HookedCall, AskPerson, Instead, Refuse",
    "after_tool": "ToolResult, Refuse",
}
_logger = get_logger()


class _Unusable(Exception):
    """A hook returned what nobody can follow."""


class HookCaller:
    """Calls the hooks of one run.

    Args:
        agent: Whose hooks they are.
        tools: Knows what a tool takes.
        context: What each hook is told of the run.
    """

    def __init__(self, agent: Agent, tools: ToolRunner, context: RunContext) -> None:
        self._agent = agent
        self._tools = tools
        self._context = context

    async def call(self, operation: CallHook) -> HookRecord:
        """Call one, and return what it wants otherwise."""
        pinned, subject = operation.hook, operation.subject
        hook = self._find(pinned)
        if hook is None:
            why = f"the worker's {self._agent.name} has none of this name; deploy one that has"
            return _failed(why)
        call = None if operation.result else subject
        if isinstance(call, HookedCall) and (refused := self._refusal(call)):
            return refused
        arguments = [subject, operation.result] if operation.result else [subject]
        try:
            returned = await call_in_time(
                hook.fn, *arguments, self._context, timeout=hook.timeout, name=operation.step
            )
            return self._record(hook, operation, returned)
        except (TookTooLong, _Unusable) as error:
            return _failed(str(error))
        except Exception as error:  # an author's hook may raise anything
            _logger.exception("hook_failed", hook=hook.name, run_id=self._context.run_id)
            return _failed(f"{kind_of(error)}. The worker's log says more")

    async def faults_of(self, call: HookedCall) -> list[str]:
        """Return what hooks have against arguments that a person put in place of the model's."""
        for hook in self._agent.hooks:
            if hook.point != "before_tool":
                continue
            pinned = PinnedHook(point=hook.point, name=hook.name)
            record = await self.call(CallHook(pinned, call))
            if record.verdict in ("refuse", "failed", "instead"):
                return [f"{hook.name}: {record.text}"]
            if record.arguments is not None:
                return [f"{hook.name} would change them to {json.dumps(record.arguments)}"]
        return []

    def _find(self, pinned: PinnedHook) -> AnyHook | None:
        for hook in self._agent.hooks:
            if (hook.point, hook.name) == (pinned.point, pinned.name):
                return hook
        return None

    def _refusal(self, call: HookedCall) -> HookRecord | None:
        """Return what the model is told of a call that the tool can't take.

        What clients, agents and servers carry out is checked there, after the hooks.
        """
        if all(tool.name != call.name for tool in self._agent.functions):
            return None
        planned = PlannedCall(call.turn, call.call_id, call.name, call.arguments, known=True)
        context = tool_context(self._context, call.turn, call.call_id)
        check = self._tools.refusal(self._agent, planned, context)
        if check is None:
            return None
        return HookRecord(
            verdict="refuse",
            at=check.at,
            text=check.reason,
            told=check.told,
            error_type=check.error_type,
        )

    def _record(self, hook: AnyHook, operation: CallHook, returned: Any) -> HookRecord:
        at = datetime.now(UTC)
        if returned is None or hook.point == "on_end":
            return HookRecord(at=at)
        match operation.subject, returned:
            case _, Refuse(reason):
                return HookRecord(verdict="refuse", text=_text(reason), at=at)
            case HookedCall(), AskPerson(reason) if not operation.result:
                return HookRecord(verdict="ask_person", text=_text(reason), at=at)
            case ((HookedCall() | Prompt()), Instead(text)) if not operation.result:
                return HookRecord(verdict="instead", text=_text(text), at=at)
            case ModelAnswer(), AskAgain(reason):
                return HookRecord(verdict="ask_again", text=_text(reason), at=at)
            case Prompt() as asked, Prompt() as changed:
                return _changed_request(asked, changed, at)
            case ModelAnswer() as answer, ModelAnswer() as changed:
                return _changed_answer(answer, changed, at)
            case HookedCall() as call, HookedCall() as changed if not operation.result:
                return self._changed_call(call, changed, at)
            case HookedCall(), ToolResult() as changed if operation.result:
                return _changed_result(operation.result, changed, at)
            case _:
                raise _Unusable(
                    f"it returned a {type(returned).__name__}; it must return one of "
                    f"{_RETURNS[hook.point]}, or None"
                )

    def _changed_call(self, call: HookedCall, changed: HookedCall, at: datetime) -> HookRecord:
        if changed.arguments == call.arguments:
            return HookRecord(at=at)
        try:
            arguments: dict[str, JsonValue] = read_arguments(json.dumps(changed.arguments))
        except (TypeError, ValueError, UnreadableArguments) as error:
            raise _Unusable(f"it returned arguments that are no JSON: {error}") from error
        as_changed = HookedCall(
            turn=call.turn, call_id=call.call_id, name=call.name, arguments=arguments
        )
        if refused := self._refusal(as_changed):
            raise _Unusable(f"it returned arguments that {call.name} can't take: {refused.text}")
        return HookRecord(arguments=arguments, at=at)


def _changed_request(asked: Prompt, changed: Prompt, at: datetime) -> HookRecord:
    ids = [message.id for message in asked.messages]
    if [message.id for message in changed.messages] != ids:
        raise _Unusable("it returned other messages; it may change their contents only")
    texts = {
        new.id: _text(new.content)
        for old, new in zip(asked.messages, changed.messages, strict=True)
        if new.content != old.content
    }
    is_other = changed.instructions != asked.instructions
    instructions = _text(changed.instructions) if is_other else None
    return HookRecord(instructions=instructions, texts=texts or None, at=at)


def _changed_answer(answer: ModelAnswer, changed: ModelAnswer, at: datetime) -> HookRecord:
    calls = _calls(changed.calls) if list(changed.calls) != list(answer.calls) else None
    text = _text(changed.text) if changed.text != answer.text else None
    return HookRecord(text=text, calls=calls, at=at)


def _changed_result(result: ToolResult, changed: ToolResult, at: datetime) -> HookRecord:
    if changed == result:
        return HookRecord(at=at)
    output = _text(changed.output)
    if len(output.encode()) > MAX_RESULT_BYTES:
        raise _Unusable(f"it returned more than the {MAX_RESULT_BYTES} bytes of a result")
    return HookRecord(output=output, is_error=bool(changed.is_error), at=at)


def _calls(calls: Sequence[RequestedTool]) -> list[RequestedCall]:
    return [RequestedCall(name=_text(c.name), arguments=_text(c.arguments)) for c in calls]


def _text(given: Any) -> str:
    """Return a text that can be journaled."""
    if not isinstance(given, str):
        raise _Unusable(f"it returned a {type(given).__name__} where a text is needed")
    return repair_surrogates(given)


def _failed(why: str) -> HookRecord:
    return HookRecord.failed(why, datetime.now(UTC))
