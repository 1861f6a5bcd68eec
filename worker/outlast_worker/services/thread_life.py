"""How a thread is made without a run, what is known of it, and how it is forgotten by itself."""

from datetime import timedelta

from pydantic_core import to_json
from restate import ObjectContext, VirtualObject

from outlast.contract import ChangeAnswer, CreateAnswer, ThreadChange, ThreadOrder
from outlast.protocol import MAX_METADATA_BYTES, Time
from outlast_worker.services import calls, state, thread_line
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_calls import ExpiryCheck
from outlast_worker.services.thread_state import Head
from outlast_worker.services.thread_watch import watch_holder


def add_life(thread: VirtualObject, prefix: str) -> None:
    """Add the handlers."""
    _add_changes(thread, prefix)

    @json_handler(thread.handler, calls.EXPIRE.name, ingress_private=True)
    async def expire(ctx: ObjectContext, check: ExpiryCheck) -> None:
        """Forget a thread whose time has come; one that was used meanwhile is looked at later."""
        head = await thread_line.read_head(ctx)
        if head is None or head.expires_after_s is None or head.expiry_due != check.due:
            return  # it is another thread, or another time counts
        if head.holder:
            watch_holder(ctx, prefix, head)  # one that was killed would hold it for ever
            state.HEAD.set(ctx, head.model_copy(update={"expiry_due": None}))
            return
        due = _due(head, head.expires_after_s)
        if due <= check.due:
            await forget(ctx)
        else:
            state.HEAD.set(ctx, _look_at(ctx, prefix, head, due, due - check.due))


def _add_changes(thread: VirtualObject, prefix: str) -> None:
    """Add the handlers by which somebody makes a thread, or says something of it."""

    @json_handler(thread.handler)
    async def create(ctx: ObjectContext, order: ThreadOrder) -> CreateAnswer:
        """Make an empty thread, unless there is one of this name."""
        request = await state.CREATED_BY.get(ctx)
        if await state.HEAD.get(ctx) is not None:
            repeated = order.request is not None and order.request == request
            return CreateAnswer(outcome="created" if repeated else "exists")
        head = Head(created_at=order.at, updated_at=order.at, expires_after_s=order.expires_after_s)
        if order.metadata:
            state.METADATA.set(ctx, order.metadata)
        if order.request:
            state.CREATED_BY.set(ctx, order.request)
        state.HEAD.set(ctx, begin_expiry(ctx, prefix, head))
        return CreateAnswer(outcome="created")

    @json_handler(thread.handler)
    async def change(ctx: ObjectContext, change: ThreadChange) -> ChangeAnswer:
        """Change what is known of a thread; a run that holds it goes on."""
        head = await thread_line.read_head(ctx)
        kept = await state.METADATA.get(ctx) or {}
        if head is None:
            return ChangeAnswer(outcome="unknown")
        metadata = {**kept, **change.set_metadata}
        for name in change.unset_metadata:
            metadata.pop(name, None)
        if len(to_json(metadata)) > MAX_METADATA_BYTES:
            return ChangeAnswer(outcome="too_large")
        head = head.touched(change.at)
        if change.changes_expiry:
            update = {"expires_after_s": change.expires_after_s, "expiry_due": None}
            head = begin_expiry(ctx, prefix, head.model_copy(update=update))
        if metadata != kept:
            state.METADATA.set(ctx, metadata)
        state.HEAD.set(ctx, head)
        return ChangeAnswer(outcome="changed")


def begin_expiry(ctx: ObjectContext, prefix: str, head: Head) -> Head:
    """Have an idle thread looked at when its time has come; return the head that says so.

    There is one such call at a time: while it is on its way, a thread may be used any number of
    times. It goes before the head: without it, it is nobody's.
    """
    if head.expires_after_s is None or head.holder or head.expiry_due:
        return head
    after = timedelta(seconds=head.expires_after_s)
    return _look_at(ctx, prefix, head, _due(head, head.expires_after_s), after)


async def forget(ctx: ObjectContext) -> None:
    """Forget all of a thread, but where requests went whose input it handed on."""
    steered = await state.STEERED_REQUESTS.get(ctx)
    ctx.clear_all()
    if steered:  # an Idempotency-Key means the same run for longer than the conversation lasts
        state.STEERED_REQUESTS.set(ctx, steered)


def _due(head: Head, expires_after_s: float) -> Time:
    return head.updated_at + timedelta(seconds=expires_after_s)


def _look_at(ctx: ObjectContext, prefix: str, head: Head, due: Time, delay: timedelta) -> Head:
    target = calls.thread_target(prefix, ctx.key())
    calls.EXPIRE.send(ctx, target, ExpiryCheck(due=due), delay=delay)
    return head.model_copy(update={"expiry_due": due})
