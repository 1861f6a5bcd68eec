"""The Thread object: the arbiter of one conversation.

Handlers are short and exclusive, so that order is order of acceptance. They read first, then
write pages, then the head, with no await between: a killed handler leaves its writes so far,
and only what the head counts is there.
"""

from typing import Literal

from restate import ObjectContext, VirtualObject

from outlast.contract import (
    CancelOrder,
    ConversationMark,
    DeleteAnswer,
    DeleteOrder,
    RunOrder,
    SameQuestion,
    SteerOrder,
    SubmitAnswer,
)
from outlast.names import thread_service
from outlast.protocol import NO_RUN, Time
from outlast_worker.services import calls, state, thread_line
from outlast_worker.services.policies import NO_JOURNAL, WRITE_POLICY
from outlast_worker.services.recipients import Recipients
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.services.thread_additions import add_additions
from outlast_worker.services.thread_calls import HoldUp, Join, Release
from outlast_worker.services.thread_history import (
    add_questions,
    add_taking_back,
    forget_summaries,
    know_digest,
    last_run,
    read_pages,
)
from outlast_worker.services.thread_life import add_life, begin_expiry, forget
from outlast_worker.services.thread_state import Head, SteeredRequest, ThreadRun, append, remember
from outlast_worker.services.thread_summary import read_not_covered, stand_in_of, with_summary
from outlast_worker.services.thread_watch import watch_holder


def build_thread(recipients: Recipients) -> VirtualObject:
    """Make the object that holds threads."""
    prefix = recipients.prefix
    thread = VirtualObject(
        thread_service(prefix),
        description="Conversations: who holds them, who waits, what was said.",
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        state_preload=False,
        invocation_retry_policy=WRITE_POLICY,
    )

    @json_handler(thread.handler)
    async def submit(ctx: ObjectContext, order: RunOrder) -> SubmitAnswer:
        """Accept a run: it holds the thread or waits in line, unless it is not to wait."""
        head = await thread_line.read_head(ctx)
        if (known := await _find_earlier(ctx, prefix, head, order)) is not None:
            if head and head.is_held_by(order.run_id):
                watch_holder(ctx, prefix, head)
            return known
        if answer := await _answer_without(ctx, recipients, head, order):
            return answer
        outcome = "queued" if head and head.holder else "granted"
        head = head or Head(created_at=order.created_at, updated_at=order.created_at)
        admission = {"admission": outcome, "conversation": _mark_for(outcome, head)}
        run = await _send_run(ctx, prefix, order.model_copy(update=admission))
        await _enter(ctx, recipients, head, run, order.created_at)
        return SubmitAnswer(outcome=outcome)

    @json_handler(thread.handler, calls.JOIN.name)
    async def join(ctx: ObjectContext, joining: Join) -> SubmitAnswer:
        """Let a delayed run, which is there already, join the line."""
        head = await thread_line.read_head(ctx) or Head(
            created_at=joining.at, updated_at=joining.at
        )
        if await _find(ctx, head, joining.run_id) is None:
            run = ThreadRun(**joining.model_dump(exclude={"at"}))
            head = await _enter(ctx, recipients, head, run, joining.at)
        outcome = "granted" if head.is_held_by(joining.run_id) else "queued"
        return SubmitAnswer(outcome=outcome, conversation=_mark_for(outcome, head))

    @json_handler(thread.handler, calls.HOLD_UP.name)
    async def hold_up(ctx: ObjectContext, held_up: HoldUp) -> None:
        """Note that the holder waits for a person, and tell those in line; or that it goes on."""
        head = await thread_line.read_head(ctx)
        if head is None or not head.is_held_by(held_up.run_id):
            return
        if not held_up.waits:
            state.HELD_UP.clear(ctx)
            return
        told = await state.TOLD.get(ctx) or head.first
        line = [place.run async for place in thread_line.read(ctx, head, told)]
        missing = await recipients.missing(ctx, line)
        state.HELD_UP.set(ctx, held_up.run_id)
        state.TOLD.set(ctx, head.after_last)
        for run in line:
            recipients.send(ctx, missing, calls.PARK, run, None)

    _add_ends(thread, recipients)
    add_taking_back(thread, prefix)
    add_life(thread, prefix)
    add_additions(thread, prefix)
    add_questions(thread)
    return thread


def _add_ends(thread: VirtualObject, recipients: Recipients) -> None:
    """Add the handlers by which a run, or the conversation, comes to its end."""
    prefix = recipients.prefix

    @json_handler(thread.handler, calls.RELEASE.name)
    async def release(ctx: ObjectContext, released: Release) -> None:
        """Take the thread from a run and pass it on; a no-op for a run that is not here."""
        head = await thread_line.read_head(ctx)
        if head and head.is_held_by(released.run_id):
            await _pass_on(ctx, recipients, head, released)
        elif head and (place := await thread_line.find(ctx, head, released.run_id)):
            thread_line.leave(ctx, head, place)
        if released.awakeable:
            ctx.resolve_awakeable(released.awakeable, True, serde_of(bool))  # noqa: FBT003  # done

    @json_handler(thread.handler)
    async def check_holder(ctx: ObjectContext) -> None:
        """Have the holder watched: somebody saw that it is dead."""
        if head := await thread_line.read_head(ctx):
            watch_holder(ctx, prefix, head)

    @json_handler(thread.handler)
    async def delete(ctx: ObjectContext, order: DeleteOrder) -> DeleteAnswer:
        """Forget the conversation, unless a run holds it."""
        head = await thread_line.read_head(ctx)
        if head is None:
            return DeleteAnswer(outcome="unknown")
        if head.holder and (head.waiting or head.holder.run_id != order.dead):
            watch_holder(ctx, prefix, head)
            return DeleteAnswer(outcome="busy", run_id=head.holder.run_id)
        await forget(ctx)
        return DeleteAnswer(outcome="deleted")


async def _find_earlier(
    ctx: ObjectContext, prefix: str, head: Head | None, order: RunOrder
) -> SubmitAnswer | None:
    """Return the answer for a run that was accepted before, or None for a new one."""
    here = await _find(ctx, head, order.run_id) if head else None
    if here:
        return SubmitAnswer(outcome="known", same_body=here.body_hash == order.body_hash)
    if not order.repeatable:
        return None
    for earlier in await state.STEERED_REQUESTS.get(ctx) or []:
        if earlier.request_id == order.run_id:
            same = earlier.body_hash == order.body_hash
            return SubmitAnswer(outcome="steered", same_body=same, run_id=earlier.run_id)
    question = SameQuestion(body_hash=order.body_hash, wait_s=0)
    known = await calls.SAME.call(ctx, calls.run_target(prefix, order), question)
    if known.answer == "unknown":
        return None
    return SubmitAnswer(outcome="known", same_body=known.answer == "same")


async def _answer_without(
    ctx: ObjectContext, recipients: Recipients, head: Head | None, order: RunOrder
) -> SubmitAnswer | None:
    """Return the answer for a run that is not to start, or None if it is."""
    if order.after_run and (moved := await _find_moved(ctx, head, order.after_run)):
        return moved
    if head is None or head.holder is None:
        return None
    if answer := await _answer_busy(ctx, recipients, head, order):
        return answer
    if not head.is_full(order.max_in_line):
        return None
    watch_holder(ctx, recipients.prefix, head)
    return SubmitAnswer(outcome="full")


async def _find_moved(ctx: ObjectContext, head: Head | None, expected: str) -> SubmitAnswer | None:
    """Return the answer for a run that was to follow another than the last one."""
    last = await last_run(ctx, head) if head else None
    return None if (last or NO_RUN) == expected else SubmitAnswer(outcome="moved", run_id=last)


async def _find(ctx: ObjectContext, head: Head, run_id: str) -> ThreadRun | None:
    """Return the run if it holds the thread or waits in line."""
    if head.is_held_by(run_id):
        return head.holder
    place = await thread_line.find(ctx, head, run_id)
    return place and place.run


async def _answer_busy(
    ctx: ObjectContext, recipients: Recipients, head: Head, order: RunOrder
) -> SubmitAnswer | None:
    """Return the answer for a run that is not to wait for the holder, or None if it is."""
    holder = head.holder
    if holder is None or order.on_busy in ("enqueue", "interrupt"):
        return None
    prefix = recipients.prefix
    if order.on_busy == "reject":
        watch_holder(ctx, prefix, head)
        return SubmitAnswer(outcome="rejected", run_id=holder.run_id)
    if await recipients.missing(ctx, [holder]):
        return None  # nobody can hand it over
    steering = SteerOrder(
        run_id=holder.run_id,
        input=order.input,
        at=order.created_at,
        key=order.run_id if order.repeatable else None,
        body_hash=order.body_hash,
    )
    answer = await calls.STEER.call(ctx, calls.run_target(prefix, holder), steering)
    if answer.outcome == "ended":
        return None
    watch_holder(ctx, prefix, head)
    if order.repeatable:
        request = SteeredRequest(
            request_id=order.run_id, run_id=holder.run_id, body_hash=order.body_hash
        )
        earlier = await state.STEERED_REQUESTS.get(ctx) or []
        state.STEERED_REQUESTS.set(ctx, remember(earlier, request))
    same_body = answer.outcome == "accepted"
    return SubmitAnswer(outcome="steered", same_body=same_body, run_id=holder.run_id)


def _mark_for(outcome: Literal["granted", "queued"], head: Head) -> ConversationMark | None:
    """Return what a run goes on with: nothing is said on a thread but by who holds it."""
    return head.mark if outcome == "granted" else None


async def _send_run(ctx: ObjectContext, prefix: str, order: RunOrder) -> ThreadRun:
    """Start the run's workflow, with the caller's trace."""
    trace = {k: v for k, v in ctx.request().headers.items() if k in ("traceparent", "tracestate")}
    sent = calls.RUN.send(ctx, calls.run_target(prefix, order), order, headers=trace)
    return ThreadRun(
        run_id=order.run_id,
        agent=order.agent,
        tenant=order.tenant,
        invocation_id=await sent.invocation_id(),
        body_hash=order.body_hash,
        interrupts=order.on_busy == "interrupt",
        replaces=order.history == "replace" or None,
    )


async def _enter(
    ctx: ObjectContext, recipients: Recipients, head: Head, run: ThreadRun, at: Time
) -> Head:
    if head.is_held_by(await state.HELD_UP.get(ctx) or ""):
        calls.PARK.send(ctx, calls.run_target(recipients.prefix, run), None)
    if head.holder:
        watch_holder(ctx, recipients.prefix, head)
    if run.interrupts:
        ahead = [head.holder] if head.holder else []
        ahead += await thread_line.interruptions(ctx, head)
        missing = await recipients.missing(ctx, ahead)
        for other in ahead:
            order = CancelOrder(run_id=other.run_id, invocation_id=other.invocation_id, at=at)
            recipients.send(ctx, missing, calls.CANCEL, other, order)
    return thread_line.enter(ctx, head.touched(at), run)


async def _pass_on(
    ctx: ObjectContext, recipients: Recipients, head: Head, released: Release
) -> None:
    head = await know_digest(ctx, head)
    open_page = head.open_page
    page = [] if open_page is None else await read_pages(ctx, head, [open_page])
    following = await thread_line.first(ctx, head)
    before = head
    if head.holder and head.holder.replaces and released.items:
        head, page = head.without_messages(), []
    stand_in = stand_in_of(head, released)
    after = await read_not_covered(ctx, head, released.items, stand_in) if stand_in else []
    head, written = append(head, page, released.items)
    if stand_in:
        head = with_summary(head, stand_in, after)
    if released.tokens is not None:
        head = head.model_copy(update={"tokens": released.tokens})
    head = head.pass_on(released.at, following)
    missing = await recipients.missing(ctx, [head.holder] if head.holder else [])
    for index, messages in written.items():
        state.page(index).set(ctx, messages)
    if stand_in:
        state.summary(stand_in.covers).set(ctx, stand_in.message)
    head = begin_expiry(ctx, recipients.prefix, head)
    state.HEAD.set(ctx, head)
    for index in range(len(head.page_counts), len(before.page_counts)):
        state.page(index).clear(ctx)
    forget_summaries(ctx, before, head)
    # Last: the next run reads what was written.
    if following:
        thread_line.forget(ctx, following)
    if head.holder:
        recipients.send(ctx, missing, calls.ADMIT, head.holder, None)
        if head.waiting:
            watch_holder(ctx, recipients.prefix, head)
