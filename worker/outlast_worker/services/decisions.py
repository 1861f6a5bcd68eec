"""Decisions of people on a run's approvals: durable promises that the run awaits.

Whoever resolves one first counts, so an answer that it was taken is never wrong.
"""

import json
from collections.abc import Callable

from pydantic import ValidationError
from restate import RunOptions, WorkflowSharedContext

from outlast.agent import Agent
from outlast.arguments import UnreadableArguments, read_arguments
from outlast.contract import DecideAnswer, DecideOrder, FieldFault, RunOrder
from outlast.hooks import HookedCall
from outlast.logging import get_logger
from outlast.protocol import ACTIONS, Approval, Decider, Decision, Resolution, Run, Time
from outlast_worker.engine.records import KeptResolution
from outlast_worker.hooks import HookCaller
from outlast_worker.services import promises, state
from outlast_worker.services.serde import serde_of
from outlast_worker.services.whole_run import kept_with_run
from outlast_worker.text import repair_surrogates
from outlast_worker.tools.author_code import call_safely, kind_of
from outlast_worker.tools.given_content import faults_of_content

SpeakerOf = Callable[[Run], Agent]
HooksOf = Callable[[RunOrder, Agent], HookCaller]
_logger = get_logger()
_CHECK_ARGUMENTS = "check arguments"
_CHECK_CONTENT = "check content"
_DECIDED = ("action", "arguments", "output", "limits", "content")


async def take_decision(
    ctx: WorkflowSharedContext, speaker_of: SpeakerOf, order: DecideOrder, hooks_of: HooksOf
) -> DecideAnswer:
    """Decide on what waits; nothing is decided on that is not shown to wait.

    Args:
        ctx: Of the run.
        speaker_of: Returns the agent that has the run now.
        order: What is decided.
        hooks_of: Returns what calls its hooks, which look at arguments of a person's, too.
    """
    asked_run = state.RUN.get(ctx)
    asked_approval = state.approval(order.decides).get(ctx)
    resolution = await state.resolution(order.decides).get(ctx)
    run, approval = await asked_run, await asked_approval
    by = Decider(key=order.key, said=order.decision.by) if order.key else order.decision.by
    if run and approval is None and (approval := kept_with_run(run, order.decides)):
        by = order.decision.by  # an older worker, which executes the run, can read no more
    if run is None or approval is None:
        return DecideAnswer(outcome="unknown")
    if fault := _check_action(approval, order.decision):
        return DecideAnswer(outcome="invalid", faults=[fault])
    if resolution := resolution or approval.resolution:
        return _compare(order, resolution)
    if run.ended:
        return DecideAnswer(outcome="ended")
    if approval.expires_at and order.at >= approval.expires_at:
        return await _decide_too_late(ctx, order, approval.expires_at)
    if faults := await _check_values(ctx, speaker_of(run), approval, order, hooks_of):
        return DecideAnswer(outcome="invalid", faults=faults)
    decision = order.decision
    resolution = KeptResolution(
        call_id=approval.call_id,
        approval_id=approval.approval_id,
        action=decision.action,
        by=by,
        at=order.at,
        reason=decision.reason,
        arguments=decision.arguments,
        output=decision.output,
        limits=decision.limits,
        content=decision.content,
        trace=order.trace,
    )
    promise = promises.decision(order.decides)
    if await promise.resolve_once(ctx, resolution):
        return DecideAnswer(outcome="decided", resolution=resolution)
    earlier = await promise.peek(ctx)
    return _compare(order, earlier) if earlier else DecideAnswer(outcome="ended")


async def _check_values(
    ctx: WorkflowSharedContext,
    agent: Agent,
    approval: Approval,
    order: DecideOrder,
    hooks_of: HooksOf,
) -> list[FieldFault]:
    """Check, in a step of its own, what a person wrote: arguments, or an answer."""
    decision = order.decision
    run_order = None if decision.arguments is None else await state.ORDER.get(ctx)

    async def check_content() -> list[FieldFault]:
        return _check_content(approval, order)

    async def check_arguments() -> list[FieldFault]:
        faults = _check(agent, approval, order)
        if faults or run_order is None:
            return faults
        told = await hooks_of(run_order, agent).faults_of(_as_decided(approval, order))
        return [_fault(why) for why in told]

    options = RunOptions[list[FieldFault]](serde=serde_of(list[FieldFault]))
    if decision.action == "answer" and (approval.content_schema is not None or approval.url):
        return await ctx.run_typed(_CHECK_CONTENT, check_content, options)
    if decision.arguments is not None:
        return await ctx.run_typed(_CHECK_ARGUMENTS, check_arguments, options)
    return []


async def _decide_too_late(
    ctx: WorkflowSharedContext, order: DecideOrder, expires_at: Time
) -> DecideAnswer:
    """Let the approval expire now, unless it was decided on before: when it was made counts."""
    expired = KeptResolution(
        call_id=order.call_id, approval_id=order.approval_id, action="expired", at=expires_at
    )
    promise = promises.decision(order.decides)
    if await promise.resolve_once(ctx, expired):
        return DecideAnswer(outcome="conflict", resolution=expired)
    earlier = await promise.peek(ctx)
    return _compare(order, earlier) if earlier else DecideAnswer(outcome="ended")


def _compare(order: DecideOrder, counts: Resolution) -> DecideAnswer:
    decision = order.decision
    same = all(getattr(counts, field) == getattr(decision, field) for field in _DECIDED)
    return DecideAnswer(outcome="decided" if same else "conflict", resolution=counts)


def _check_action(approval: Approval, decision: Decision) -> FieldFault | None:
    *others, last = ACTIONS.get(approval.reason, (decision.action,))
    if decision.action in (*others, last):
        return None
    allowed = " or ".join(filter(None, [", ".join(others), last]))
    message = f"this approval has the reason {approval.reason}: decide {allowed}"
    return FieldFault(field="body.action", message=message)


def _check(agent: Agent, approval: Approval, order: DecideOrder) -> list[FieldFault]:
    """Check arguments that a person put in place of the model's, as the model's are checked."""
    parsing = (*agent.functions, *agent.agent_tools)
    tool = next((tool for tool in parsing if tool.name == approval.name), None)
    if tool is None and agent.mcp:
        return []  # one of a server's, which checks them itself
    if tool is None:
        return [_fault(f"the worker has no tool {approval.name!r} that could check them")]
    try:
        call_safely(tool.parse, read_arguments(json.dumps(order.decision.arguments)))
    except UnreadableArguments as error:
        return [_fault(str(error))]
    except ValidationError as error:
        return [_fault(fault["msg"], *fault["loc"]) for fault in error.errors(include_url=False)]
    except Exception as error:  # an author's validators may raise anything
        # Its text may hold what is not for clients.
        _logger.exception("arguments_check_failed", tool=tool.name)
        why = f"the tool's check failed: {kind_of(error)}. The worker's log says more"
        return [_fault(why)]
    return []


def _check_content(approval: Approval, order: DecideOrder) -> list[FieldFault]:
    """Check an answer against what was asked for."""
    faults = faults_of_content(approval, order.decision)
    return [FieldFault(field="body.content", message=repair_surrogates(why)) for why in faults]


def _as_decided(approval: Approval, order: DecideOrder) -> HookedCall:
    """Return a call with the arguments that a person put in place of the model's."""
    call_id = approval.call_id or ""
    return HookedCall(
        turn=int(call_id.partition(".")[0] or 0),
        call_id=call_id,
        name=approval.name,
        arguments=dict(order.decision.arguments or {}),
    )


def _fault(message: str, *place: object) -> FieldFault:
    field = ".".join(["body", "arguments", *map(str, place)])
    return FieldFault(field=field, message=repair_surrogates(message))
