"""The conversation that a thread keeps: read by runs and by clients, and taken back by these."""

from collections.abc import Iterable
from typing import Literal

from restate import ObjectContext, ObjectSharedContext, TerminalError, VirtualObject

from outlast.contract import (
    ConversationMark,
    HistoryAnswer,
    HistoryQuestion,
    TakeBackAnswer,
    TakeBackOrder,
    ThreadHolder,
    ThreadStatus,
)
from outlast.protocol import NO_RUN, ThreadSummary
from outlast_worker.engine.records import StandIn, StoredMessage
from outlast_worker.engine.speakers import speakers_in
from outlast_worker.services import calls, state, thread_line
from outlast_worker.services.policies import READ_POLICY
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_calls import WholeThread
from outlast_worker.services.thread_state import (
    MAX_BYTES,
    NOTHING_SAID,
    Head,
    extend,
    keep_first,
    pages_with,
)
from outlast_worker.services.thread_watch import watch_holder

_Context = ObjectContext | ObjectSharedContext


def add_questions(thread: VirtualObject) -> None:
    """Add the handlers that only read."""
    _add_questions_of_runs(thread)

    @json_handler(thread.handler, kind="shared", invocation_retry_policy=READ_POLICY)
    async def history(ctx: ObjectSharedContext, question: HistoryQuestion) -> HistoryAnswer:
        """Return a part of what was said, as clients see it."""
        head = await state.HEAD.get(ctx)
        if head is None:
            return HistoryAnswer(items=None, message_count=0)
        messages = await read_after(ctx, head, question.after, question.limit)
        items = [message.public() for message in messages]
        return HistoryAnswer(items=items, message_count=head.message_count)

    @json_handler(thread.handler, kind="shared", invocation_retry_policy=READ_POLICY)
    async def holder(ctx: ObjectSharedContext) -> ThreadHolder | None:
        """Return who holds the thread, at the same cost however many wait."""
        head = await state.HEAD.get(ctx)
        return head and ThreadHolder(
            run_id=head.holder.run_id if head.holder else None,
            held_up=head.is_held_by(await state.HELD_UP.get(ctx) or ""),
            message_count=head.message_count,
            last_run=await last_run(ctx, head) or NO_RUN,
        )

    @json_handler(thread.handler, kind="shared", invocation_retry_policy=READ_POLICY)
    async def status(ctx: ObjectSharedContext) -> ThreadStatus | None:
        """Return who holds the thread and who waits."""
        head = await state.HEAD.get(ctx)
        return head and ThreadStatus(
            run_id=head.holder.run_id if head.holder else None,
            queued=[
                *(run.run_id for run in head.queue),
                *[place.run.run_id async for place in thread_line.read(ctx, head)],
            ],
            message_count=head.message_count,
            metadata=await state.METADATA.get(ctx) or {},
            expires_after_s=head.expires_after_s,
            summary=_summary_of(head),
            created_at=head.created_at,
            updated_at=head.updated_at,
        )


def _add_questions_of_runs(thread: VirtualObject) -> None:
    """Add the handlers by which runs learn what was said."""

    @json_handler(thread.handler, calls.CONVERSATION.name, kind="shared")
    async def conversation(ctx: ObjectSharedContext) -> list[StoredMessage]:
        """Return what was said, for the run that holds the thread: since it was summed up last."""
        head = await state.HEAD.get(ctx)
        if head and head.read_bytes > MAX_BYTES:
            raise TerminalError(
                f"The conversation has {head.read_bytes} bytes; a run can read {MAX_BYTES}. "
                "Go on with a new thread.",
                status_code=413,
            )
        return await read_said(ctx, head) if head else []

    @json_handler(
        thread.handler,
        calls.CONVERSATION_THEN.name,
        kind="shared",
        invocation_retry_policy=READ_POLICY,
    )
    async def conversation_then(
        ctx: ObjectSharedContext, mark: ConversationMark
    ) -> list[StoredMessage] | None:
        """Return what a run has read; None if it is not there any more."""
        head = await state.HEAD.get(ctx)
        covers = mark.covers or 0
        if head is None or mark.bytes > MAX_BYTES:
            return None
        count = mark.messages - 1 if covers else mark.messages
        said = await _read_from(ctx, head, covers, count)
        return said if extend(NOTHING_SAID, said).names_same(mark) else None

    @json_handler(
        thread.handler,
        calls.WHOLE_THREAD.name,
        kind="shared",
        invocation_retry_policy=READ_POLICY,
    )
    async def whole_thread(ctx: ObjectSharedContext) -> WholeThread | None:
        """Return all that was said; None if it is more than can be read at once."""
        head = await state.HEAD.get(ctx)
        if head is None or head.total_bytes > MAX_BYTES:
            return None
        made = [(each, await state.summary(each.covers).get(ctx)) for each in head.summaries or ()]
        return WholeThread(
            messages=await read_after(ctx, head, 0, head.message_count),
            stand_ins=[
                StandIn(how=place.how, message=summary, covers=place.covers)
                for place, summary in made
                if summary
            ],
        )

    @json_handler(thread.handler, calls.CONVERSATION_MARK.name, kind="shared")
    async def conversation_mark(ctx: ObjectSharedContext) -> ConversationMark | None:
        """Return which conversation it is, for the run that holds the thread."""
        head = await state.HEAD.get(ctx)
        return head and head.mark

    @json_handler(thread.handler, calls.SPEAKER.name, kind="shared")
    async def speaker(ctx: ObjectSharedContext, agent: str) -> str | None:
        """Return who took over runs of an agent last, for the run that holds the thread."""
        head = await state.HEAD.get(ctx)
        return (head.speakers or {}).get(agent) if head else None


def add_taking_back(thread: VirtualObject, prefix: str) -> None:
    """Add the handler by which a person takes back the end of a conversation."""

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


def _summary_of(head: Head) -> ThreadSummary | None:
    place = head.summary
    return place and ThreadSummary(
        messages=place.covers, how=place.how, run_id=place.run_id, created_at=place.at
    )


async def read_said(ctx: _Context, head: Head) -> list[StoredMessage]:
    """Return what runs read now."""
    covers = head.summary.covers if head.summary else 0
    return await _read_from(ctx, head, covers, head.message_count)


async def _read_from(ctx: _Context, head: Head, covers: int, count: int) -> list[StoredMessage]:
    """Return the summary of so many messages, and those that follow them."""
    summary = state.summary(covers).get(ctx) if covers else None
    said = await read_after(ctx, head, covers, count)
    found = [message] if summary and (message := await summary) else []
    return [*found, *said]


async def read_after(ctx: _Context, head: Head, after: int, count: int) -> list[StoredMessage]:
    """Return messages of the conversation that come after so many."""
    pages, skipped = pages_with(head.page_counts, after, count)
    start = after - skipped
    return (await read_pages(ctx, head, pages))[start : start + count]


async def read_pages(ctx: _Context, head: Head, indexes: Iterable[int]) -> list[StoredMessage]:
    """Return the messages of some pages, those that the head counts."""
    # Asked for together and awaited one by one: `gather` looks at all of them for each.
    asked = [(head.page_counts[index], state.page(index).get(ctx)) for index in indexes]
    return [message for count, future in asked for message in (await future or [])[:count]]


async def last_run(ctx: _Context, head: Head) -> str | None:
    """Return the run that the thread has taken last."""
    if head.last_run:
        return head.last_run
    # As an older worker left it.
    line = [place.run.run_id async for place in thread_line.read(ctx, head)]
    if line or head.holder:
        return line[-1] if line else head.holder and head.holder.run_id
    said = await read_pages(ctx, head, range(len(head.page_counts))[-1:])
    return said[-1].run_id if said else None


async def know_digest(ctx: ObjectContext, head: Head) -> Head:
    """Return the head with the digest that older workers, and taking back, have left open."""
    if head.digest is not None or head.read_bytes > MAX_BYTES:
        return head
    digest = extend(NOTHING_SAID, await read_said(ctx, head)).digest
    return head.model_copy(update={"digest": digest})


def forget_summaries(ctx: ObjectContext, before: Head, now: Head) -> None:
    """Forget the summaries that the head does not name any more; after it was written."""
    named = {place.covers for place in now.summaries or ()}
    for place in before.summaries or ():
        if place.covers not in named:
            state.summary(place.covers).clear(ctx)


async def _keep_until(
    ctx: ObjectContext, head: Head, order: TakeBackOrder
) -> Literal["taken_back", "unknown_message", "open_calls"]:
    dropped: list[StoredMessage] = []
    for index in reversed(range(len(head.page_counts))):
        page = await read_pages(ctx, head, [index])
        ids = [message.id for message in page]
        kept = page[: ids.index(order.after) + 1] if order.after in ids else []
        dropped = page[len(kept) :] + dropped
        if not kept:
            continue
        if dropped and dropped[0].role == "tool":
            return "open_calls"
        speakers = head.speakers
        if speakers_in(dropped):
            before = await read_pages(ctx, head, range(index))
            speakers = speakers_in([*before, *kept])
        state.page(index).set(ctx, kept)
        for later in range(index + 1, len(head.page_counts)):
            state.page(later).clear(ctx)
        cut = keep_first(head, index, kept, dropped, speakers, order.at)
        state.HEAD.set(ctx, cut)
        forget_summaries(ctx, head, cut)
        return "taken_back"
    return "unknown_message"
