"""What people say to a run that goes on: decisions on its tool calls, and messages.

Both are durable promises that the run awaits. Whoever resolves one first counts, so an answer
that it was taken is never wrong.
"""

import json
from typing import Any

from pydantic import ValidationError
from restate import RunOptions, TerminalError, WorkflowSharedContext

from outlast.agent import Agent
from outlast.contract import (
    DecideAnswer,
    DecideOrder,
    FieldFault,
    SteerAnswer,
    SteeringMessage,
    SteerOrder,
)
from outlast.protocol import Approval, Resolution, Run
from outlast_worker.engine.names import (
    CHECK_ARGUMENTS,
    MESSAGES_TAKEN_KEY,
    RUN_KEY,
    decision_promise,
    inbox_promise,
)
from outlast_worker.services.serde import JsonSerde
from outlast_worker.text import repair_surrogates
from outlast_worker.tools.runner import call_safely, text_of

_RUN = JsonSerde[Run](Run)
_NUMBER = JsonSerde[int](int)
_RESOLUTION = JsonSerde[Resolution](Resolution)
_FAULTS = JsonSerde[list[FieldFault]](list[FieldFault])
_STEERING = JsonSerde[SteeringMessage | None](SteeringMessage | None)


async def take_decision(
    ctx: WorkflowSharedContext, agent: Agent, order: DecideOrder
) -> DecideAnswer:
    """Decide on a call that waits; nothing is decided on one that is not shown to wait."""
    run = await ctx.get(RUN_KEY, serde=_RUN)
    approval = _find(run, order.call_id)
    if run is None or approval is None:
        return DecideAnswer(outcome="unknown")
    if approval.resolution:
        return _compare(order, approval.resolution)
    if run.ended:
        return DecideAnswer(outcome="ended")
    decision = order.decision
    if decision.arguments is not None:
        check = RunOptions(serde=_FAULTS)
        if faults := await ctx.run_typed(CHECK_ARGUMENTS, _check, check, agent, approval, order):
            return DecideAnswer(outcome="invalid", faults=faults)
    resolution = Resolution(
        call_id=order.call_id,
        action=decision.action,
        by=decision.by,
        at=order.at,
        reason=decision.reason,
        arguments=decision.arguments,
    )
    name = decision_promise(order.call_id)
    if await resolve_once(ctx, name, resolution, _RESOLUTION):
        return DecideAnswer(outcome="decided", resolution=resolution)
    earlier = await ctx.promise(name, serde=_RESOLUTION).peek()
    return _compare(order, earlier) if earlier else DecideAnswer(outcome="ended")


async def with_decisions(ctx: WorkflowSharedContext, run: Run) -> Run:
    """Add decisions that were taken and that the run has not got round to yet."""
    approvals: list[Approval] = []
    for approval in run.approvals:
        if approval.resolution is None and not run.ended:
            promise = ctx.promise(decision_promise(approval.call_id), serde=_RESOLUTION)
            approvals.append(approval.model_copy(update={"resolution": await promise.peek()}))
        else:
            approvals.append(approval)
    if approvals == run.approvals:
        return run
    going_on = {"status": "running", "waiting_for": None, "approvals": approvals}
    return run.model_copy(update=going_on)


async def take_message(ctx: WorkflowSharedContext, order: SteerOrder) -> SteerAnswer:
    """Put a message into the first free place of the run's inbox, unless that is closed."""
    run = await ctx.get(RUN_KEY, serde=_RUN)
    ended = run is not None and run.ended
    if ended and not order.key:
        return SteerAnswer(outcome="ended")
    # A request that may be a repeated one is looked for among all messages.
    index = 0 if order.key else await ctx.get(MESSAGES_TAKEN_KEY, serde=_NUMBER) or 0
    while True:
        name = inbox_promise(index)
        message = SteeringMessage(
            message_id=f"{order.run_id}:in.{index}", **order.model_dump(exclude={"run_id"})
        )
        if not ended and await resolve_once(ctx, name, message, _STEERING):
            return SteerAnswer(outcome="accepted", message_id=message.message_id)
        earlier = await ctx.promise(name, serde=_STEERING).peek()
        if earlier is None:
            return SteerAnswer(outcome="ended")
        if order.key and earlier.key == order.key:
            outcome = "accepted" if earlier.body_hash == order.body_hash else "different"
            return SteerAnswer(outcome=outcome, message_id=earlier.message_id)
        index += 1


async def last_messages(ctx: WorkflowSharedContext) -> list[SteeringMessage]:
    """Return the messages that were taken for a run, read or not, and take no more of them."""
    taken: list[SteeringMessage] = []
    while True:
        name = inbox_promise(len(taken))
        if await resolve_once(ctx, name, None, _STEERING):
            return taken
        message = await ctx.promise(name, serde=_STEERING).peek()
        if message is None:
            return taken
        taken.append(message)


async def resolve_once(
    ctx: WorkflowSharedContext, name: str, value: Any, serde: JsonSerde[Any]
) -> bool:
    """Resolve a promise; False if it was resolved already."""
    try:
        await ctx.promise(name, serde=serde).resolve(value)
    except TerminalError as error:
        if error.status_code != 409:
            raise
        return False
    return True


def _find(run: Run | None, call_id: str) -> Approval | None:
    approvals = run.approvals if run else []
    return next((approval for approval in approvals if approval.call_id == call_id), None)


def _compare(order: DecideOrder, counts: Resolution) -> DecideAnswer:
    decision = order.decision
    same = (counts.action, counts.arguments) == (decision.action, decision.arguments)
    return DecideAnswer(outcome="decided" if same else "conflict", resolution=counts)


async def _check(agent: Agent, approval: Approval, order: DecideOrder) -> list[FieldFault]:
    """Check arguments that a person put in place of the model's, as the model's are checked."""
    tool = next((tool for tool in agent.tools if tool.name == approval.name), None)
    if tool is None:
        return []
    try:
        call_safely(tool.parse, json.dumps(order.decision.arguments))
    except ValidationError as error:
        return [_fault(fault["msg"], *fault["loc"]) for fault in error.errors(include_url=False)]
    except Exception as error:  # noqa: BLE001  # an author's validators may raise anything
        return [_fault(f"{type(error).__name__}: {text_of(error)}")]
    return []


def _fault(message: str, *place: object) -> FieldFault:
    field = ".".join(["body", "arguments", *map(str, place)])
    return FieldFault(field=field, message=repair_surrogates(message))
