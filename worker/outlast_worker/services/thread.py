"""The Thread object: the arbiter of one conversation, and the service that watches over it.

Handlers are short and exclusive, so that order is order of acceptance. They read first, then
write pages, then the head, with no await between: a killed handler leaves its writes so far,
and only what the head counts is there.
"""

from collections.abc import Iterable
from datetime import timedelta

from restate import (
    Context,
    ObjectContext,
    ObjectSharedContext,
    RestateDurableFuture,
    Service,
    TerminalError,
    VirtualObject,
)

from outlast.contract import (
    CancelOrder,
    DeleteAnswer,
    DeleteOrder,
    HistoryAnswer,
    HistoryQuestion,
    RunOrder,
    SameAnswer,
    SameQuestion,
    SteerAnswer,
    SteerOrder,
    SubmitAnswer,
    ThreadStatus,
)
from outlast.names import key_of, service_of, thread_service, thread_watch_service
from outlast.protocol import Run, Time
from outlast_worker.engine.names import (
    ADMIT,
    CANCEL,
    CHECK_HOLDER,
    CONVERSATION,
    HEAD_KEY,
    JOIN,
    RELEASE,
    RUN,
    SALVAGE,
    SAME,
    STEER,
    STEERED_REQUESTS_KEY,
    WATCH,
    page_key,
)
from outlast_worker.engine.records import Record, StoredMessage
from outlast_worker.services.policies import NO_JOURNAL, READ_POLICY, WRITE_POLICY
from outlast_worker.services.serde import JsonSerde
from outlast_worker.services.thread_state import (
    MAX_BYTES,
    Head,
    Join,
    Release,
    SteeredRequest,
    ThreadRun,
    append,
    pages_with,
    remember,
)

# The holder's own `finish` is on its way when its invocation ends: let it come first.
WATCH_GRACE = timedelta(seconds=2)


class Watch(Record):
    """Wait for a holder to end."""

    thread_key: str
    holder: ThreadRun


_HEAD = JsonSerde[Head](Head)
_STEERED_REQUESTS = JsonSerde[list[SteeredRequest]](list[SteeredRequest])
_PAGE = JsonSerde[list[StoredMessage]](list[StoredMessage])
_ORDER = JsonSerde[RunOrder](RunOrder)
_SUBMITTED = JsonSerde[SubmitAnswer](SubmitAnswer)
_JOIN = JsonSerde[Join](Join)
_RELEASE = JsonSerde[Release](Release)
_WATCH = JsonSerde[Watch](Watch)
_STATUS = JsonSerde[ThreadStatus | None](ThreadStatus | None)
_QUESTION = JsonSerde[HistoryQuestion](HistoryQuestion)
_HISTORY = JsonSerde[HistoryAnswer](HistoryAnswer)
_DELETED = JsonSerde[DeleteAnswer](DeleteAnswer)
_SAME_QUESTION = JsonSerde[SameQuestion](SameQuestion)
_SAME_ANSWER = JsonSerde[SameAnswer](SameAnswer)
_DELETE = JsonSerde[DeleteOrder](DeleteOrder)
_CANCEL_ORDER = JsonSerde[CancelOrder](CancelOrder)
_STEER_ORDER = JsonSerde[SteerOrder](SteerOrder)
_STEERED = JsonSerde[SteerAnswer](SteerAnswer)
_RUN = JsonSerde[Run](Run)
_NOTHING = JsonSerde[None](None)


def build_thread(prefix: str) -> VirtualObject:
    """Make the object that holds threads."""
    thread = VirtualObject(
        thread_service(prefix),
        description="Conversations: who holds them, who waits, what was said.",
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        state_preload=False,
        invocation_retry_policy=WRITE_POLICY,
    )

    @thread.handler(input_serde=_ORDER, output_serde=_SUBMITTED)
    async def submit(ctx: ObjectContext, order: RunOrder) -> SubmitAnswer:
        """Accept a run: it holds the thread or waits in line, unless it is not to wait."""
        head = await _head(ctx)
        if (known := await _find_earlier(ctx, prefix, head, order)) is not None:
            if head and head.is_held_by(order.run_id):
                _watch(ctx, prefix, head)
            return known
        if head and head.holder and (answer := await _answer_busy(ctx, prefix, head, order)):
            return answer
        outcome = "queued" if head and head.holder else "granted"
        run = await _send_run(ctx, prefix, order.model_copy(update={"admission": outcome}))
        head = head or Head(created_at=order.created_at, updated_at=order.created_at)
        _enter(ctx, prefix, head, run, order.created_at)
        return SubmitAnswer(outcome=outcome)

    @thread.handler(JOIN, input_serde=_JOIN, output_serde=_SUBMITTED)
    async def join(ctx: ObjectContext, joining: Join) -> SubmitAnswer:
        """Let a delayed run, which is there already, join the line."""
        head = await _head(ctx) or Head(created_at=joining.at, updated_at=joining.at)
        if not head.find(joining.run_id):
            run = ThreadRun(**joining.model_dump(exclude={"at"}))
            head = _enter(ctx, prefix, head, run, joining.at)
        return SubmitAnswer(outcome="granted" if head.is_held_by(joining.run_id) else "queued")

    _add_ends(thread, prefix)
    _add_questions(thread)
    return thread


def _add_ends(thread: VirtualObject, prefix: str) -> None:
    """Add the handlers by which a run, or the conversation, comes to its end."""

    @thread.handler(RELEASE, input_serde=_RELEASE, output_serde=_NOTHING)
    async def release(ctx: ObjectContext, released: Release) -> None:
        """Take the thread from a run and pass it on; a no-op for a run that is not here."""
        head = await _head(ctx)
        if head is None or head.find(released.run_id) is None:
            return
        if head.is_held_by(released.run_id):
            await _pass_on(ctx, prefix, head, released)
        else:
            ctx.set(HEAD_KEY, head.leave_line(released.run_id), serde=_HEAD)

    @thread.handler(CHECK_HOLDER, output_serde=_NOTHING)
    async def check_holder(ctx: ObjectContext) -> None:
        """Have the holder watched: somebody saw that it is dead."""
        if head := await _head(ctx):
            _watch(ctx, prefix, head)

    @thread.handler(input_serde=_DELETE, output_serde=_DELETED)
    async def delete(ctx: ObjectContext, order: DeleteOrder) -> DeleteAnswer:
        """Forget the conversation, unless a run holds it."""
        head = await _head(ctx)
        if head is None:
            return DeleteAnswer(outcome="unknown")
        if head.holder and (head.queue or head.holder.run_id != order.dead):
            _watch(ctx, prefix, head)
            return DeleteAnswer(outcome="busy", run_id=head.holder.run_id)
        steered = await ctx.get(STEERED_REQUESTS_KEY, serde=_STEERED_REQUESTS)
        ctx.clear_all()
        if steered:  # an Idempotency-Key means the same run for longer than the conversation lasts
            ctx.set(STEERED_REQUESTS_KEY, steered, serde=_STEERED_REQUESTS)
        return DeleteAnswer(outcome="deleted")


def _add_questions(thread: VirtualObject) -> None:
    """Add the handlers that only read."""

    @thread.handler(CONVERSATION, kind="shared", output_serde=_PAGE)
    async def conversation(ctx: ObjectSharedContext) -> list[StoredMessage]:
        """Return all that was said, for the run that holds the thread."""
        head = await _head(ctx)
        if head and head.total_bytes > MAX_BYTES:
            raise TerminalError(
                f"The conversation has {head.total_bytes} bytes; a run can read {MAX_BYTES}. "
                "Go on with a new thread.",
                status_code=413,
            )
        return await _pages(ctx, range(len(head.page_counts))) if head else []

    @thread.handler(
        kind="shared",
        input_serde=_QUESTION,
        output_serde=_HISTORY,
        invocation_retry_policy=READ_POLICY,
    )
    async def history(ctx: ObjectSharedContext, question: HistoryQuestion) -> HistoryAnswer:
        """Return a part of what was said, as clients see it."""
        head = await _head(ctx)
        if head is None:
            return HistoryAnswer(items=None, message_count=0)
        pages, skipped = pages_with(head.page_counts, question.after, question.limit)
        messages = await _pages(ctx, pages)
        start = question.after - skipped
        items = [message.public() for message in messages[start : start + question.limit]]
        return HistoryAnswer(items=items, message_count=head.message_count)

    @thread.handler(kind="shared", output_serde=_STATUS, invocation_retry_policy=READ_POLICY)
    async def status(ctx: ObjectSharedContext) -> ThreadStatus | None:
        """Return who holds the thread and who waits."""
        head = await _head(ctx)
        return head and ThreadStatus(
            run_id=head.holder.run_id if head.holder else None,
            queued=[run.run_id for run in head.queue],
            message_count=head.message_count,
            created_at=head.created_at,
            updated_at=head.updated_at,
        )


def build_thread_watch(prefix: str) -> Service:
    """Make the service that notices holders that were killed: those clean nothing up."""
    watcher = Service(
        thread_watch_service(prefix),
        description="Waits for a run that holds a thread while others wait.",
        journal_retention=NO_JOURNAL,
        # A watch that was killed can be sent again, under the same key.
        idempotency_retention=NO_JOURNAL,
        ingress_private=True,
        invocation_retry_policy=WRITE_POLICY,
    )

    @watcher.handler(WATCH, input_serde=_WATCH, output_serde=_NOTHING)
    async def watch(ctx: Context, watch: Watch) -> None:
        """Wait for the holder to end, however it ends, and release the thread for it."""
        holder = watch.holder
        items: list[StoredMessage] = []
        try:
            ended = await ctx.attach_invocation(holder.invocation_id, serde=_RUN)
            items = [StoredMessage(**message.model_dump()) for message in ended.messages or []]
            await ctx.sleep(WATCH_GRACE)
        except TerminalError as error:
            if error.message == "cancelled":
                raise  # this watch was cancelled, not the holder: a cancelled run returns
            await ctx.sleep(WATCH_GRACE)
            service, key = _address(prefix, holder)
            items = _PAGE.deserialize(await ctx.generic_call(service, SALVAGE, b"", key=key)) or []
        release = Release(run_id=holder.run_id, items=items, at=None)
        ctx.generic_send(
            thread_service(prefix), RELEASE, _RELEASE.serialize(release), key=watch.thread_key
        )

    return watcher


async def _find_earlier(
    ctx: ObjectContext, prefix: str, head: Head | None, order: RunOrder
) -> SubmitAnswer | None:
    """Return the answer for a run that was accepted before, or None for a new one."""
    here = head.find(order.run_id) if head else None
    if here:
        return SubmitAnswer(outcome="known", same_body=here.body_hash == order.body_hash)
    if not order.repeatable:
        return None
    for earlier in await ctx.get(STEERED_REQUESTS_KEY, serde=_STEERED_REQUESTS) or []:
        if earlier.request_id == order.run_id:
            same = earlier.body_hash == order.body_hash
            return SubmitAnswer(outcome="steered", same_body=same, run_id=earlier.run_id)
    service, key = service_of(order.agent, prefix), key_of(order.tenant, order.run_id)
    question = _SAME_QUESTION.serialize(SameQuestion(body_hash=order.body_hash, wait_s=0))
    known = _SAME_ANSWER.deserialize(await ctx.generic_call(service, SAME, question, key=key))
    if known is None or known.answer == "unknown":
        return None
    return SubmitAnswer(outcome="known", same_body=known.answer == "same")


async def _answer_busy(
    ctx: ObjectContext, prefix: str, head: Head, order: RunOrder
) -> SubmitAnswer | None:
    """Return the answer for a run that is not to wait for the holder, or None if it is."""
    holder = head.holder
    if holder is None or order.on_busy in ("enqueue", "interrupt"):
        return None
    if order.on_busy == "reject":
        _watch(ctx, prefix, head)
        return SubmitAnswer(outcome="rejected", run_id=holder.run_id)
    steering = SteerOrder(
        run_id=holder.run_id,
        input=order.input,
        at=order.created_at,
        key=order.run_id if order.repeatable else None,
        body_hash=order.body_hash,
    )
    service, key = _address(prefix, holder)
    call = ctx.generic_call(service, STEER, _STEER_ORDER.serialize(steering), key=key)
    answer = _STEERED.deserialize(await call)
    if answer is None or answer.outcome == "ended":
        return None
    _watch(ctx, prefix, head)
    if order.repeatable:
        request = SteeredRequest(
            request_id=order.run_id, run_id=holder.run_id, body_hash=order.body_hash
        )
        earlier = await ctx.get(STEERED_REQUESTS_KEY, serde=_STEERED_REQUESTS) or []
        ctx.set(STEERED_REQUESTS_KEY, remember(earlier, request), serde=_STEERED_REQUESTS)
    same_body = answer.outcome == "accepted"
    return SubmitAnswer(outcome="steered", same_body=same_body, run_id=holder.run_id)


async def _send_run(ctx: ObjectContext, prefix: str, order: RunOrder) -> ThreadRun:
    """Start the run's workflow, with the caller's trace."""
    service, key = service_of(order.agent, prefix), key_of(order.tenant, order.run_id)
    trace = {k: v for k, v in ctx.request().headers.items() if k == "traceparent"}
    sent = ctx.generic_send(service, RUN, _ORDER.serialize(order), key=key, headers=trace)
    return ThreadRun(
        run_id=order.run_id,
        agent=order.agent,
        tenant=order.tenant,
        invocation_id=await sent.invocation_id(),
        body_hash=order.body_hash,
        interrupts=order.on_busy == "interrupt",
    )


def _enter(ctx: ObjectContext, prefix: str, head: Head, run: ThreadRun, at: Time) -> Head:
    if holder := head.holder:
        _watch(ctx, prefix, head)
        if run.interrupts:
            _cancel(ctx, prefix, holder, at)
    head = head.enter(run)
    ctx.set(HEAD_KEY, head, serde=_HEAD)
    return head


async def _pass_on(ctx: ObjectContext, prefix: str, head: Head, released: Release) -> None:
    open_page = head.open_page
    page = [] if open_page is None else await _pages(ctx, [open_page])
    head, written = append(head, page, released.items)
    head = head.pass_on(released.at)
    for index, messages in written.items():
        ctx.set(page_key(index), messages, serde=_PAGE)
    ctx.set(HEAD_KEY, head, serde=_HEAD)
    # Last: the next run reads what was written.
    if head.holder:
        service, key = _address(prefix, head.holder)
        ctx.generic_send(service, ADMIT, b"", key=key)
        if head.queue:
            _watch(ctx, prefix, head)


def _watch(ctx: ObjectContext, prefix: str, head: Head) -> None:
    """Have the holder watched: if it is killed, somebody must release the thread.

    Restate takes it once for as long as a watch goes on, and again if that was killed, too.
    """
    if head.holder is None:
        return
    watch = _WATCH.serialize(Watch(thread_key=ctx.key(), holder=head.holder))
    service, only = thread_watch_service(prefix), head.holder.invocation_id
    ctx.generic_send(service, WATCH, watch, idempotency_key=only)


def _cancel(ctx: ObjectContext, prefix: str, run: ThreadRun, at: Time) -> None:
    order = CancelOrder(run_id=run.run_id, invocation_id=run.invocation_id, at=at)
    service, key = _address(prefix, run)
    ctx.generic_send(service, CANCEL, _CANCEL_ORDER.serialize(order), key=key)


def _address(prefix: str, run: ThreadRun) -> tuple[str, str]:
    return service_of(run.agent, prefix), key_of(run.tenant, run.run_id)


async def _head(ctx: ObjectContext | ObjectSharedContext) -> Head | None:
    return await ctx.get(HEAD_KEY, serde=_HEAD)


async def _pages(
    ctx: ObjectContext | ObjectSharedContext, indexes: Iterable[int]
) -> list[StoredMessage]:
    # Asked for together and awaited one by one: `gather` looks at all of them for each.
    asked: list[RestateDurableFuture[list[StoredMessage] | None]] = [
        ctx.get(page_key(index), serde=_PAGE)  # pyright: ignore[reportAssignmentType]  # the SDK's type is wider than what it returns
        for index in indexes
    ]
    return [message for future in asked for message in await future or []]
