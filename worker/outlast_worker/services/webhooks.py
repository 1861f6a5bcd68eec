"""The Webhooks object: tells one webhook of one run's events, in their order.

An attempt is a step, and what lies between two is a durable wait that holds no place of Restate's.
So neither a run nor another webhook waits for a receiver that is down.
"""

from datetime import timedelta
from itertools import count
from typing import Any

from restate import ObjectContext, ObjectSharedContext, RunOptions, VirtualObject

from outlast.contract import RedeliverOrder
from outlast.names import RunRef, webhooks_service
from outlast.protocol import Delivery, Time
from outlast_worker.deps import Dependencies
from outlast_worker.services import calls, state
from outlast_worker.services.policies import NO_JOURNAL, READ_POLICY, WRITE_POLICY
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.services.suspend import suspending_after
from outlast_worker.services.webhook_calls import Told
from outlast_worker.webhooks.records import Attempt

_ATTEMPT = "tell"
_GONE_BEFORE = "answered 410 before: it wants to be told nothing more of this run"


def build_webhooks(dependencies: Dependencies) -> VirtualObject:
    """Make the object."""
    settings = dependencies.settings
    options: dict[str, Any] = {}
    if settings.inactivity_timeout_s is not None:
        options["inactivity_timeout"] = timedelta(seconds=settings.inactivity_timeout_s)
    webhooks = VirtualObject(
        webhooks_service(settings.service_prefix),
        description="Tells webhooks what becomes of runs.",
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        state_preload=False,
        invocation_retry_policy=WRITE_POLICY,
        **options,
    )

    @json_handler(webhooks.handler, calls.TELL_WEBHOOK.name, ingress_private=True)
    async def tell(ctx: ObjectContext, told: Told) -> None:
        """Tell the webhook of an event, for as long as it may take; those after it wait."""
        event = told.event
        if await state.delivery(event.id).get(ctx):
            return  # who watched the run has told of its end, or the run had
        state.told_event(event.id).set(ctx, told)
        delivery = Delivery(
            id=event.id, event=event.type, url=told.webhook.url, happened_at=event.timestamp
        )
        if await state.GONE.get(ctx):
            unwanted = {"status": "given_up", "last_error": _GONE_BEFORE}
            state.delivery(event.id).set(ctx, delivery.model_copy(update=unwanted))
            return
        await _deliver(ctx, dependencies, told, delivery, event.timestamp)

    @json_handler(webhooks.handler)
    async def redeliver(ctx: ObjectContext, order: RedeliverOrder) -> None:
        """Tell the webhook again, as if the event had just happened."""
        told = await state.told_event(order.id).get(ctx)
        delivery = await state.delivery(order.id).get(ctx)
        if told is None or delivery is None:
            return  # forgotten meanwhile
        if delivery.last_attempt_at and delivery.last_attempt_at > order.at:
            return  # it was under way, and was tried since
        state.GONE.clear(ctx)
        await _deliver(ctx, dependencies, told, delivery, order.at)

    @json_handler(webhooks.handler, kind="shared", invocation_retry_policy=READ_POLICY)
    async def deliveries(ctx: ObjectSharedContext) -> list[Delivery]:
        """Return how far the webhook has been told of what has happened."""
        prefix = state.DELIVERY_PREFIX
        ids = [key.removeprefix(prefix) for key in await ctx.state_keys() if key.startswith(prefix)]
        # Asked for together and awaited one by one: `gather` looks at all of them for each.
        asked = [state.delivery(each).get(ctx) for each in ids]
        return [found for future in asked if (found := await future)]

    @json_handler(webhooks.handler, calls.FORGET_WEBHOOK.name)
    async def forget(ctx: ObjectContext) -> None:
        """Forget all that the webhook was told, as the run is."""
        ctx.clear_all()

    return webhooks


async def _deliver(
    ctx: ObjectContext,
    dependencies: Dependencies,
    told: Told,
    delivery: Delivery,
    since: Time,
) -> None:
    """Tell the webhook until it has heard, wants no more, or the time is over."""
    kept = state.delivery(delivery.id)
    kept.set(ctx, delivery.model_copy(update={"status": "pending"}))
    options = RunOptions[Attempt](serde=serde_of(Attempt))
    ref = _run_of(ctx.key())

    async def send(attempt: int) -> Attempt:
        return await dependencies.webhooks.send(ref, told.webhook, told.event, attempt, since)

    for attempt in count(1):
        tried = await ctx.run_typed(_ATTEMPT, send, options, attempt)
        delivery = _after(delivery, tried)
        kept.set(ctx, delivery)
        if tried.outcome == "gone":
            state.GONE.set(ctx, tried.at)
        if tried.retry_in_s is None:
            return
        with suspending_after(ctx, dependencies.settings.suspend_after_s):
            await ctx.sleep(timedelta(seconds=tried.retry_in_s))


def _after(delivery: Delivery, tried: Attempt) -> Delivery:
    status = "delivered" if tried.outcome == "delivered" else "given_up"
    wait = None if tried.retry_in_s is None else timedelta(seconds=tried.retry_in_s)
    return delivery.model_copy(
        update={
            "status": "pending" if wait is not None else status,
            "attempts": delivery.attempts + 1,
            "response_status": tried.status,
            "last_error": tried.error,
            "last_attempt_at": tried.at,
            "next_attempt_at": None if wait is None else tried.at + wait,
        }
    )


def _run_of(key: str) -> RunRef:
    """Return the run, of a key that `WebhookRef` has made."""
    tenant, run_id, _ = key.split("/")
    return RunRef(tenant, run_id)
