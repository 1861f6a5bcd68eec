"""The WebhookWatch object: passes on to a run's webhooks what happens to it.

Restate ends what a run has sent when somebody kills the run. So what takes its time is sent from
here, where nothing lasts; and each run is watched, since one that is killed can't say so.
"""

from datetime import timedelta

from restate import ObjectContext, ObjectSharedContext, RunOptions, TerminalError, VirtualObject

from outlast.contract import StatusQuestion
from outlast.names import RunRef, WebhookRef, webhook_watch_service
from outlast.protocol import Run, RunError, Time
from outlast_worker.deps import Dependencies
from outlast_worker.engine.names import TIME
from outlast_worker.services import calls
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.policies import NO_JOURNAL, WRITE_POLICY
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.services.suspend import suspending_soon
from outlast_worker.services.webhook_calls import RunNews, RunWatch, Told, news_of_end
from outlast_worker.stopwatch import tell_time

_NOT_FOUND = 404


def build_webhook_watch(dependencies: Dependencies) -> VirtualObject:
    """Make the object."""
    prefix = dependencies.settings.service_prefix
    watcher = VirtualObject(
        webhook_watch_service(prefix),
        description="Passes on to webhooks what happens to runs.",
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        state_preload=False,
        ingress_private=True,
        invocation_retry_policy=WRITE_POLICY,
    )

    @json_handler(watcher.handler, calls.TELL_WEBHOOKS.name)
    async def tell(ctx: ObjectContext, news: RunNews) -> None:
        """Have those webhooks told that want to hear of it."""
        for place, webhook in enumerate(news.webhooks):
            if news.type not in webhook.events:
                continue
            ref = WebhookRef(_run_of(ctx.key()), place)
            told = Told(webhook=webhook, event=news.for_webhook(ref))
            calls.TELL_WEBHOOK.send(ctx, calls.webhook_target(prefix, ref), told)

    @json_handler(watcher.handler, calls.BEGIN_WATCH.name)
    async def begin(ctx: ObjectContext, watch: RunWatch) -> None:
        """Have a run watched that has begun."""
        target = calls.webhook_watch_target(prefix, _run_of(ctx.key()))
        calls.WATCH_RUN.send(ctx, target, watch)

    @json_handler(watcher.handler, calls.WATCH_RUN.name, kind="shared")
    async def watch_run(ctx: ObjectSharedContext, watch: RunWatch) -> None:
        """Wait for a run's end, tell of it if the run can't, and see that all is forgotten."""
        ref = _run_of(ctx.key())
        try:
            with suspending_soon(ctx):
                await ctx.attach_invocation(watch.invocation_id, serde=serde_of(Run))
        except TerminalError as error:
            if is_own_cancellation(error):
                raise  # this watch was cancelled, not the run: a cancelled run returns
            if error.status_code == _NOT_FOUND:
                return  # the run was forgotten, and its webhooks with it
            run, at = await _read_killed(ctx, prefix, ref), await _tell_time(ctx)
            target = calls.webhook_watch_target(prefix, ref)
            calls.TELL_WEBHOOKS.send(ctx, target, news_of_end(watch.webhooks, run, at))
        kept_for = timedelta(seconds=dependencies.settings.run_retention_s)
        for place in range(len(watch.webhooks)):
            target = calls.webhook_target(prefix, WebhookRef(ref, place))
            calls.FORGET_WEBHOOK.send(ctx, target, None, delay=kept_for)

    return watcher


async def _read_killed(ctx: ObjectSharedContext, prefix: str, ref: RunRef) -> Run:
    """Return what a killed run had become, as readers see it."""
    asked = StatusQuestion(killed=True)
    left = await calls.STATUS.call(ctx, calls.run_target(prefix, ref), asked)
    run = left or Run(run_id=ref.run_id, agent=ref.agent, status="failed")
    error = RunError(type="killed", message="The run was killed in Restate.", retryable=False)
    broken = {"status": "failed", "waiting_for": None, "waiting": None, "engine": None}
    return run.model_copy(update={**broken, "error": error})


async def _tell_time(ctx: ObjectSharedContext) -> Time:
    return await ctx.run_typed(TIME, tell_time, RunOptions[Time](serde=serde_of(Time)))


def _run_of(key: str) -> RunRef:
    ref = RunRef.from_key(key)
    if ref is None:
        raise TerminalError(f"{key!r} is not a run's", status_code=400)
    return ref
