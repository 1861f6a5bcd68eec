"""The Thread object: the arbiter of one conversation.

Handlers are short and exclusive, so that order is order of acceptance. They read first, then
write pages, then the head, with no await between: a killed handler leaves its writes so far,
and only what the head counts is there.
"""

from collections.abc import Iterable
from typing import Literal

from restate import ObjectContext, ObjectSharedContext, TerminalError, VirtualObject

from outlast.contract import (
    CancelOrder,
    DeleteAnswer,
    DeleteOrder,
    HistoryAnswer,
    HistoryQuestion,
    RunOrder,
    SameQuestion,
    SteerOrder,
    SubmitAnswer,
    TakeBackAnswer,
    TakeBackOrder,
    ThreadStatus,
)
from outlast.names import thread_service
from outlast.protocol import Time
from outlast_worker.engine.records import StoredMessage
from outlast_worker.services import calls, state
from outlast_worker.services.policies import NO_JOURNAL, READ_POLICY, WRITE_POLICY
from outlast_worker.services.recipients import Recipients
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.services.thread_state import (
    MAX_BYTES,
    Head,
    HoldUp,
    Join,
    Release,
    SteeredRequest,
    ThreadRun,
    append,
    keep_first,
    pages_with,
    remember,
)
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
        head = await state.HEAD.get(ctx)
        if (known := await _find_earlier(ctx, prefix, head, order)) is not None:
            if head and head.is_held_by(order.run_id):
                watch_holder(ctx, prefix, head)
            return known
        if head and head.holder and (answer := await _answer_busy(ctx, recipients, head, order)):
            return answer
        outcome = "queued" if head and head.holder else "granted"
        run = await _send_run(ctx, prefix, order.model_copy(update={"admission": outcome}))
        head = head or Head(created_at=order.created_at, updated_at=order.created_at)
        await _enter(ctx, recipients, head, run, order.created_at)
        return SubmitAnswer(outcome=outcome)

    @json_handler(thread.handler, calls.JOIN.name)
    async def join(ctx: ObjectContext, joining: Join) -> SubmitAnswer:
        """Let a delayed run, which is there already, join the line."""
        head = await state.HEAD.get(ctx) or Head(created_at=joining.at, updated_at=joining.at)
        if not head.find(joining.run_id):
            run = ThreadRun(**joining.model_dump(exclude={"at"}))
            head = await _enter(ctx, recipients, head, run, joining.at)
        return SubmitAnswer(outcome="granted" if head.is_held_by(joining.run_id) else "queued")

    @json_handler(thread.handler, calls.HOLD_UP.name)
    async def hold_up(ctx: ObjectContext, held_up: HoldUp) -> None:
        """Note that the holder waits for a person, and tell those in line; or that it goes on."""
        head = await state.HEAD.get(ctx)
        if head is None or not head.is_held_by(held_up.run_id):
            return
        if not held_up.waits:
            state.HELD_UP.clear(ctx)
            return
        missing = await recipients.missing(ctx, head.queue)
        state.HELD_UP.set(ctx, held_up.run_id)
        for run in head.queue:
            recipients.send(ctx, missing, calls.PARK, run, None)

    _add_ends(thread, recipients)
    _add_taking_back(thread, prefix)
    _add_questions(thread)
    return thread


def _add_ends(thread: VirtualObject, recipients: Recipients) -> None:
    """Add the handlers by which a run, or the conversation, comes to its end."""
    prefix = recipients.prefix

    @json_handler(thread.handler, calls.RELEASE.name)
    async def release(ctx: ObjectContext, released: Release) -> None:
        """Take the thread from a run and pass it on; a no-op for a run that is not here."""
        head = await state.HEAD.get(ctx)
        if head and head.is_held_by(released.run_id):
            await _pass_on(ctx, recipients, head, released)
        elif head and head.find(released.run_id):
            state.HEAD.set(ctx, head.leave_line(released.run_id))
        if released.awakeable:
            ctx.resolve_awakeable(released.awakeable, True, serde_of(bool))  # noqa: FBT003  # done

    @json_handler(thread.handler)
    async def check_holder(ctx: ObjectContext) -> None:
        """Have the holder watched: somebody saw that it is dead."""
        if head := await state.HEAD.get(ctx):
            watch_holder(ctx, prefix, head)

    @json_handler(thread.handler)
    async def delete(ctx: ObjectContext, order: DeleteOrder) -> DeleteAnswer:
        """Forget the conversation, unless a run holds it."""
        head = await state.HEAD.get(ctx)
        if head is None:
            return DeleteAnswer(outcome="unknown")
        if head.holder and (head.queue or head.holder.run_id != order.dead):
            watch_holder(ctx, prefix, head)
            return DeleteAnswer(outcome="busy", run_id=head.holder.run_id)
        steered = await state.STEERED_REQUESTS.get(ctx)
        ctx.clear_all()
        if steered:  # an Idempotency-Key means the same run for longer than the conversation lasts
            state.STEERED_REQUESTS.set(ctx, steered)
        return DeleteAnswer(outcome="deleted")


def _add_taking_back(thread: VirtualObject, prefix: str) -> None:
    @json_handler(thread.handler)
    async def take_back(ctx: ObjectContext, order: TakeBackOrder) -> TakeBackAnswer:
        """Forget what was said after a message, unless a run holds the conversation."""
        head = await state.HEAD.get(ctx)
        if head is None:
            return TakeBackAnswer(outcome="unknown")
        if head.holder:
            watch_holder(ctx, prefix, head)
            return TakeBackAnswer(outcome="busy", run_id=head.holder.run_id)
        return TakeBackAnswer(outcome=await _keep_until(ctx, head, order))


def _add_questions(thread: VirtualObject) -> None:
    """Add the handlers that only read."""

    @json_handler(thread.handler, calls.CONVERSATION.name, kind="shared")
    async def conversation(ctx: ObjectSharedContext) -> list[StoredMessage]:
        """Return all that was said, for the run that holds the thread."""
        head = await state.HEAD.get(ctx)
        if head and head.total_bytes > MAX_BYTES:
            raise TerminalError(
                f"The conversation has {head.total_bytes} bytes; a run can read {MAX_BYTES}. "
                "Go on with a new thread.",
                status_code=413,
            )
        return await _read_pages(ctx, range(len(head.page_counts))) if head else []

    @json_handler(thread.handler, kind="shared", invocation_retry_policy=READ_POLICY)
    async def history(ctx: ObjectSharedContext, question: HistoryQuestion) -> HistoryAnswer:
        """Return a part of what was said, as clients see it."""
        head = await state.HEAD.get(ctx)
        if head is None:
            return HistoryAnswer(items=None, message_count=0)
        pages, skipped = pages_with(head.page_counts, question.after, question.limit)
        messages = await _read_pages(ctx, pages)
        start = question.after - skipped
        items = [message.public() for message in messages[start : start + question.limit]]
        return HistoryAnswer(items=items, message_count=head.message_count)

    @json_handler(thread.handler, kind="shared", invocation_retry_policy=READ_POLICY)
    async def status(ctx: ObjectSharedContext) -> ThreadStatus | None:
        """Return who holds the thread and who waits."""
        head = await state.HEAD.get(ctx)
        return head and ThreadStatus(
            run_id=head.holder.run_id if head.holder else None,
            held_up=head.is_held_by(await state.HELD_UP.get(ctx) or ""),
            queued=[run.run_id for run in head.queue],
            message_count=head.message_count,
            created_at=head.created_at,
            updated_at=head.updated_at,
        )


async def _find_earlier(
    ctx: ObjectContext, prefix: str, head: Head | None, order: RunOrder
) -> SubmitAnswer | None:
    """Return the answer for a run that was accepted before, or None for a new one."""
    here = head.find(order.run_id) if head else None
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


async def _send_run(ctx: ObjectContext, prefix: str, order: RunOrder) -> ThreadRun:
    """Start the run's workflow, with the caller's trace."""
    trace = {k: v for k, v in ctx.request().headers.items() if k == "traceparent"}
    sent = calls.RUN.send(ctx, calls.run_target(prefix, order), order, headers=trace)
    return ThreadRun(
        run_id=order.run_id,
        agent=order.agent,
        tenant=order.tenant,
        invocation_id=await sent.invocation_id(),
        body_hash=order.body_hash,
        interrupts=order.on_busy == "interrupt",
    )


async def _enter(
    ctx: ObjectContext, recipients: Recipients, head: Head, run: ThreadRun, at: Time
) -> Head:
    if head.is_held_by(await state.HELD_UP.get(ctx) or ""):
        calls.PARK.send(ctx, calls.run_target(recipients.prefix, run), None)
    if head.holder:
        watch_holder(ctx, recipients.prefix, head)
    if run.interrupts:
        ahead = head.ahead_of_interruption
        missing = await recipients.missing(ctx, ahead)
        for other in ahead:
            order = CancelOrder(run_id=other.run_id, invocation_id=other.invocation_id, at=at)
            recipients.send(ctx, missing, calls.CANCEL, other, order)
    head = head.enter(run)
    state.HEAD.set(ctx, head)
    return head


async def _pass_on(
    ctx: ObjectContext, recipients: Recipients, head: Head, released: Release
) -> None:
    open_page = head.open_page
    page = [] if open_page is None else await _read_pages(ctx, [open_page])
    head, written = append(head, page, released.items)
    head = head.pass_on(released.at)
    missing = await recipients.missing(ctx, [head.holder] if head.holder else [])
    for index, messages in written.items():
        state.page(index).set(ctx, messages)
    state.HEAD.set(ctx, head)
    # Last: the next run reads what was written.
    if head.holder:
        recipients.send(ctx, missing, calls.ADMIT, head.holder, None)
        if head.queue:
            watch_holder(ctx, recipients.prefix, head)


async def _keep_until(
    ctx: ObjectContext, head: Head, order: TakeBackOrder
) -> Literal["taken_back", "unknown_message", "open_calls"]:
    dropped: list[StoredMessage] = []
    for index in reversed(range(len(head.page_counts))):
        page = await _read_pages(ctx, [index])
        ids = [message.id for message in page]
        kept = page[: ids.index(order.after) + 1] if order.after in ids else []
        dropped = page[len(kept) :] + dropped
        if not kept:
            continue
        if dropped and dropped[0].role == "tool":
            return "open_calls"
        state.page(index).set(ctx, kept)
        for later in range(index + 1, len(head.page_counts)):
            state.page(later).clear(ctx)
        state.HEAD.set(ctx, keep_first(head, index, kept, dropped, order.at))
        return "taken_back"
    return "unknown_message"


async def _read_pages(
    ctx: ObjectContext | ObjectSharedContext, indexes: Iterable[int]
) -> list[StoredMessage]:
    # Asked for together and awaited one by one: `gather` looks at all of them for each.
    asked = [state.page(index).get(ctx) for index in indexes]
    return [message for future in asked for message in await future or []]
