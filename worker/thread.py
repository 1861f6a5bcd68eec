"""The Thread object: who has the turn on a conversation, who waits, and what was said.

Handlers are short and exclusive, so that order is order of acceptance. They read first, then
write pages, then the head, with no await between: a killed handler leaves its writes so far,
and only what the head counts is there.
"""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import Field
from restate import Context as RestateContext
from restate import (
    ObjectContext,
    ObjectSharedContext,
    RestateDurableFuture,
    Service,
    TerminalError,
    VirtualObject,
    gather,
)

from shared.contract import (
    DeleteAnswer,
    HistoryAnswer,
    HistoryQuestion,
    RunOrder,
    SameAnswer,
    SameQuestion,
    SubmitAnswer,
    ThreadStatus,
)
from shared.names import key_of, service_of, thread_service, thread_watch_service
from shared.protocol import Time
from worker.names import (
    CONVERSATION,
    FINISH,
    GRANT,
    JOIN,
    RUN,
    SALVAGE,
    SAME,
    WATCH,
)
from worker.policies import READ_POLICY, WRITE_POLICY
from worker.records import Record, StoredMessage
from worker.serde import JsonSerde

PAGE_BYTES = 64 * 1024
# The holder's own `finish` is on its way when its invocation ends: let it come first.
WATCH_GRACE = timedelta(seconds=2)


class Holder(Record):
    """A run that has the turn or waits for it."""

    run_id: str
    agent: str
    tenant: str
    invocation_id: str
    body_hash: str


class Join(Holder):
    """A delayed run that gets in line."""

    at: Time


class Finish(Record):
    """A run gives the turn back, or leaves the line, with what it adds to the conversation."""

    run_id: str
    items: list[StoredMessage]
    at: Time | None


class Watch(Record):
    """Wait for a holder to end."""

    thread_key: str
    holder: Holder


class Head(Record):
    """The one key that counts: turn, line and pages."""

    holder: Holder | None = None
    queue: list[Holder] = Field(default_factory=list[Holder])
    page_counts: list[int] = Field(default_factory=list[int])
    last_page_bytes: int = 0
    created_at: Time
    updated_at: Time

    def find(self, run_id: str) -> Holder | None:
        """Return the run if it has the turn or waits."""
        here = [self.holder, *self.queue] if self.holder else self.queue
        return next((holder for holder in here if holder.run_id == run_id), None)

    @property
    def message_count(self) -> int:
        """How many messages the conversation has."""
        return sum(self.page_counts)


_HEAD = JsonSerde[Head](Head)
_PAGE = JsonSerde[list[StoredMessage]](list[StoredMessage])
_ORDER = JsonSerde[RunOrder](RunOrder)
_SUBMITTED = JsonSerde[SubmitAnswer](SubmitAnswer)
_JOIN = JsonSerde[Join](Join)
_FINISH = JsonSerde[Finish](Finish)
_WATCH = JsonSerde[Watch](Watch)
_STATUS = JsonSerde[ThreadStatus | None](ThreadStatus | None)
_QUESTION = JsonSerde[HistoryQuestion](HistoryQuestion)
_HISTORY = JsonSerde[HistoryAnswer](HistoryAnswer)
_DELETED = JsonSerde[DeleteAnswer](DeleteAnswer)
_SAME_QUESTION = JsonSerde[SameQuestion](SameQuestion)
_SAME_ANSWER = JsonSerde[SameAnswer](SameAnswer)
_NOTHING = JsonSerde[None](None)

_NO_JOURNAL = timedelta(0)


def build_thread(prefix: str) -> VirtualObject:
    """Make the object that holds threads."""
    thread = VirtualObject(
        thread_service(prefix),
        description="Conversations: who has the turn, who waits, what was said.",
        journal_retention=_NO_JOURNAL,
        idempotency_retention=_NO_JOURNAL,
        state_preload=False,
        invocation_retry_policy=WRITE_POLICY,
    )

    @thread.handler(input_serde=_ORDER, output_serde=_SUBMITTED)
    async def submit(ctx: ObjectContext, order: RunOrder) -> SubmitAnswer:
        """Accept a run: it gets the turn or waits in line."""
        head = await _head(ctx)
        here = head.find(order.run_id) if head else None
        if here:
            return SubmitAnswer(outcome="known", same_body=here.body_hash == order.body_hash)
        service, key = service_of(order.agent, prefix), key_of(order.tenant, order.run_id)
        if order.repeatable:
            question = _SAME_QUESTION.serialize(SameQuestion(body_hash=order.body_hash, wait_s=0))
            raw = await ctx.generic_call(service, SAME, question, key=key)
            known = _SAME_ANSWER.deserialize(raw)
            if known and known.answer != "unknown":
                return SubmitAnswer(outcome="known", same_body=known.answer == "same")
        outcome = "queued" if head and head.holder else "granted"
        sent = order.model_copy(update={"turn": outcome})
        headers = {k: v for k, v in ctx.request().headers.items() if k == "traceparent"}
        handle = ctx.generic_send(service, RUN, _ORDER.serialize(sent), key=key, headers=headers)
        holder = Holder(
            run_id=order.run_id,
            agent=order.agent,
            tenant=order.tenant,
            invocation_id=await handle.invocation_id(),
            body_hash=order.body_hash,
        )
        _enter(ctx, prefix, head, holder, order.created_at)
        return SubmitAnswer(outcome=outcome)

    @thread.handler(JOIN, input_serde=_JOIN, output_serde=_SUBMITTED)
    async def join(ctx: ObjectContext, joining: Join) -> SubmitAnswer:
        """Let a delayed run, which is there already, get in line."""
        head = await _head(ctx)
        if not (head and head.find(joining.run_id)):
            holder = Holder(**joining.model_dump(exclude={"at"}))
            head = _enter(ctx, prefix, head, holder, joining.at)
        has_turn = head.holder is not None and head.holder.run_id == joining.run_id
        return SubmitAnswer(outcome="granted" if has_turn else "queued")

    @thread.handler(FINISH, input_serde=_FINISH, output_serde=_NOTHING)
    async def finish(ctx: ObjectContext, done: Finish) -> None:
        """Take back the turn and pass it on; a no-op for a run that is not here."""
        head = await _head(ctx)
        if head is None or head.find(done.run_id) is None:
            return
        if head.holder is None or head.holder.run_id != done.run_id:
            line = [holder for holder in head.queue if holder.run_id != done.run_id]
            ctx.set("head", head.model_copy(update={"queue": line}), serde=_HEAD)
            return
        last_page = await _last_page(ctx, head)
        head = _append(ctx, head, last_page, done.items)
        following, line = (head.queue[0], head.queue[1:]) if head.queue else (None, [])
        update = {"holder": following, "queue": line, "updated_at": done.at or head.updated_at}
        head = head.model_copy(update=update)
        ctx.set("head", head, serde=_HEAD)
        if following:
            _grant(ctx, prefix, following)
            if line:
                _watch(ctx, prefix, following)

    @thread.handler(output_serde=_DELETED)
    async def delete(ctx: ObjectContext) -> DeleteAnswer:
        """Forget the conversation, unless a run has the turn."""
        head = await _head(ctx)
        if head is None:
            return DeleteAnswer(outcome="unknown")
        if head.holder:
            if not head.queue:  # else a watch is there already
                _watch(ctx, prefix, head.holder)
            return DeleteAnswer(outcome="busy", run_id=head.holder.run_id)
        ctx.clear_all()
        return DeleteAnswer(outcome="deleted")

    @thread.handler(
        CONVERSATION,
        kind="shared",
        output_serde=_PAGE,
        invocation_retry_policy=WRITE_POLICY,
    )
    async def conversation(ctx: ObjectSharedContext) -> list[StoredMessage]:
        """Return all that was said, for the run that has the turn."""
        head = await _head(ctx)
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
        pages, skipped = _pages_with(head.page_counts, question.after, question.limit)
        messages = await _pages(ctx, pages)
        start = question.after - skipped
        items = [message.public() for message in messages[start : start + question.limit]]
        return HistoryAnswer(items=items, message_count=head.message_count)

    @thread.handler(
        kind="shared",
        output_serde=_STATUS,
        invocation_retry_policy=READ_POLICY,
    )
    async def status(ctx: ObjectSharedContext) -> ThreadStatus | None:
        """Return who has the turn and who waits."""
        head = await _head(ctx)
        return head and ThreadStatus(
            run_id=head.holder.run_id if head.holder else None,
            queued=[holder.run_id for holder in head.queue],
            message_count=head.message_count,
            created_at=head.created_at,
            updated_at=head.updated_at,
        )

    return thread


def build_thread_watch(prefix: str) -> Service:
    """Make the service that notices holders that were killed: those clean nothing up."""
    watcher = Service(
        thread_watch_service(prefix),
        description="Waits for a run that has the turn while others wait.",
        journal_retention=_NO_JOURNAL,
        idempotency_retention=_NO_JOURNAL,
        ingress_private=True,
        invocation_retry_policy=WRITE_POLICY,
    )

    @watcher.handler(WATCH, input_serde=_WATCH, output_serde=_NOTHING)
    async def watch(ctx: RestateContext, watch: Watch) -> None:
        """Wait for the holder to end, however it ends, and give its turn back for it."""
        holder = watch.holder
        service, key = service_of(holder.agent, prefix), key_of(holder.tenant, holder.run_id)
        items: list[StoredMessage] = []
        try:
            await ctx.attach_invocation(holder.invocation_id, serde=JsonSerde[object](object))
            await ctx.sleep(WATCH_GRACE)
        except TerminalError as error:
            if error.message == "cancelled":
                raise  # this watch was cancelled, not the holder: a cancelled run returns
            await ctx.sleep(WATCH_GRACE)
            items = _PAGE.deserialize(await ctx.generic_call(service, SALVAGE, b"", key=key)) or []
        finish = Finish(run_id=holder.run_id, items=items, at=None)
        ctx.generic_send(
            thread_service(prefix), FINISH, _FINISH.serialize(finish), key=watch.thread_key
        )

    return watcher


def _enter(ctx: ObjectContext, prefix: str, head: Head | None, holder: Holder, at: Time) -> Head:
    """Give a run the turn, or a place in the line."""
    head = head or Head(created_at=at, updated_at=at)
    if head.holder is None:
        head = head.model_copy(update={"holder": holder})
    else:
        if not head.queue:
            _watch(ctx, prefix, head.holder)
        head = head.model_copy(update={"queue": [*head.queue, holder]})
    ctx.set("head", head, serde=_HEAD)
    return head


def _grant(ctx: ObjectContext, prefix: str, holder: Holder) -> None:
    service, key = service_of(holder.agent, prefix), key_of(holder.tenant, holder.run_id)
    ctx.generic_send(service, GRANT, b"", key=key)


def _watch(ctx: ObjectContext, prefix: str, holder: Holder) -> None:
    watch = Watch(thread_key=ctx.key(), holder=holder)
    ctx.generic_send(thread_watch_service(prefix), WATCH, _WATCH.serialize(watch))


def _append(
    ctx: ObjectContext, head: Head, last_page: list[StoredMessage], items: Sequence[StoredMessage]
) -> Head:
    """Write a run's messages to the last page and to new ones; no page is written twice."""
    if not items:
        return head
    counts, page, size = list(head.page_counts), list(last_page), head.last_page_bytes
    if not counts or size >= PAGE_BYTES:
        counts, page, size = [*counts, 0], [], 0
    for item in items:
        if size >= PAGE_BYTES:
            ctx.set(_page_key(len(counts) - 1), page, serde=_PAGE)
            counts, page, size = [*counts, 0], [], 0
        page.append(item)
        size += len(item.model_dump_json(exclude_none=True))
        counts[-1] += 1
    ctx.set(_page_key(len(counts) - 1), page, serde=_PAGE)
    return head.model_copy(update={"page_counts": counts, "last_page_bytes": size})


def _pages_with(counts: Sequence[int], after: int, limit: int) -> tuple[range, int]:
    """Return the pages that hold the messages asked for, and how many messages come before."""
    first, skipped = 0, 0
    while first < len(counts) and skipped + counts[first] <= after:
        skipped += counts[first]
        first += 1
    last, reached = first, skipped
    while last < len(counts) and reached < after + limit:
        reached += counts[last]
        last += 1
    return range(first, last), skipped


async def _last_page(ctx: ObjectContext, head: Head) -> list[StoredMessage]:
    if not head.page_counts or head.last_page_bytes >= PAGE_BYTES:
        return []
    return await ctx.get(_page_key(len(head.page_counts) - 1), serde=_PAGE) or []


async def _pages(ctx: ObjectSharedContext, indexes: range) -> list[StoredMessage]:
    futures: list[RestateDurableFuture[list[StoredMessage] | None]] = [
        ctx.get(_page_key(index), serde=_PAGE) for index in indexes
    ]
    await gather(*futures)
    return [message for future in futures for message in await future or []]


async def _head(ctx: ObjectContext | ObjectSharedContext) -> Head | None:
    return await ctx.get("head", serde=_HEAD)


def _page_key(index: int) -> str:
    return f"page:{index}"
