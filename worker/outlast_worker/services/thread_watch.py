"""The service that notices holders of threads that were killed: those release nothing.

It watches a holder only while somebody waits for the thread, or wants to know.
"""

from datetime import timedelta

from restate import Context, ObjectContext, Service, TerminalError

from outlast.names import thread_watch_service
from outlast.protocol import Run
from outlast_worker.engine.records import StoredMessage
from outlast_worker.services import calls
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.policies import NO_JOURNAL, WRITE_POLICY
from outlast_worker.services.recipients import Recipients
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.services.suspend import suspending_soon
from outlast_worker.services.thread_calls import Delivery, Release, Watch
from outlast_worker.services.thread_state import Head

# The holder's own `release` is on its way when its invocation ends: let it come first.
_GRACE = timedelta(seconds=2)


def watch_holder(ctx: ObjectContext, prefix: str, head: Head) -> None:
    """Have the holder of this thread watched: if it is killed, somebody must release the thread.

    Restate takes it once for as long as a watch goes on, and again if that was killed, too.
    """
    if head.holder is None:
        return
    watch = Watch(thread_key=ctx.key(), holder=head.holder)
    target, only = calls.thread_watch_target(prefix), head.holder.invocation_id
    calls.WATCH.send(ctx, target, watch, idempotency_key=only)


def build_thread_watch(recipients: Recipients) -> Service:
    """Make the service."""
    prefix = recipients.prefix
    watcher = Service(
        thread_watch_service(prefix),
        description="Waits for a run that holds a thread while others wait.",
        journal_retention=NO_JOURNAL,
        # A watch that was killed can be sent again, under the same key.
        idempotency_retention=NO_JOURNAL,
        ingress_private=True,
        invocation_retry_policy=WRITE_POLICY,
    )

    @json_handler(watcher.handler, calls.WATCH.name)
    async def watch(ctx: Context, watch: Watch) -> None:
        """Wait for the holder to end, however it ends, and release the thread for it."""
        holder = watch.holder
        items: list[StoredMessage] = []
        try:
            with suspending_soon(ctx):
                ended: Run = await ctx.attach_invocation(holder.invocation_id, serde=serde_of(Run))
            items = [StoredMessage(**message.model_dump()) for message in ended.messages or []]
            await _give_time(ctx)
            if ended.parent:  # which gets what it needs of it, and not what was said
                items = await calls.SALVAGE.call(ctx, calls.run_target(prefix, holder), None)
        except TerminalError as error:
            if is_own_cancellation(error):
                raise  # this watch was cancelled, not the holder: a cancelled run returns
            await _give_time(ctx)
            # What a removed agent's run has said, nobody can read.
            if not await recipients.missing(ctx, [holder]):
                items = await calls.SALVAGE.call(ctx, calls.run_target(prefix, holder), None)
        release = Release(run_id=holder.run_id, items=items, at=None)
        calls.RELEASE.send(ctx, calls.thread_target(prefix, watch.thread_key), release)

    @json_handler(watcher.handler, calls.DELIVER.name)
    async def deliver(ctx: Context, delivery: Delivery) -> None:
        """Call a handler, one-way: tried again until Restate knows its service."""
        ctx.generic_send(
            delivery.service, delivery.handler, delivery.body.encode(), key=delivery.key
        )

    return watcher


async def _give_time(ctx: Context) -> None:
    with suspending_soon(ctx):
        await ctx.sleep(_GRACE)
