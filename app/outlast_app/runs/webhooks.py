"""Webhooks of runs: who may be told, how far they have been, and telling them again."""

import asyncio
from datetime import UTC, datetime

from outlast.contract import RedeliverOrder, RunOrder
from outlast.errors import InvalidRequest, UnknownDelivery
from outlast.names import RunRef, WebhookRef
from outlast.protocol import Deliveries, Delivery, Run
from outlast.webhooks import WebhookPolicy
from outlast_app.restate.ingress import Ingress
from outlast_app.runs.reader import RunReader


def check_webhooks(policy: WebhookPolicy, order: RunOrder) -> None:
    """Refuse a run whose webhooks nobody may be told by.

    Raises:
        InvalidRequest: With the setting to change, where it is one.
    """
    faults: list[tuple[str, str]] = []
    for place, webhook in enumerate(order.webhooks or ()):
        field = f"body.webhooks.{place}"
        if fault := policy.fault_of(webhook.url):
            faults.append((f"{field}.url", fault))
        elif not policy.keys(order.tenant, webhook.secret):
            missing = f"there is no secret {webhook.secret!r} in WEBHOOK_SECRETS"
            faults.append((f"{field}.secret", missing))
    if faults:
        raise InvalidRequest.at(*faults)


class WebhookDeliveries:
    """What webhooks have been told. Every method may raise `UnknownRun`."""

    def __init__(self, ingress: Ingress, reader: RunReader) -> None:
        self._ingress = ingress
        self._reader = reader

    async def read(self, ref: RunRef) -> Deliveries:
        """Return how far a run's webhooks have been told of it."""
        found = [delivery for _, delivery in await self._all(ref)]
        # What ends a run may happen at the time of what went before.
        found.sort(key=lambda delivery: (delivery.happened_at, delivery.event == "run.ended"))
        return Deliveries(items=found)

    async def redeliver(self, ref: RunRef, delivery_id: str) -> Delivery:
        """Have a webhook told again; one that is being told anyway is not, in between.

        Raises:
            UnknownDelivery: The run has none of this name.
        """
        for webhook, delivery in await self._all(ref):
            if delivery.id == delivery_id:
                order = RedeliverOrder(id=delivery_id, at=datetime.now(UTC))
                await self._ingress.redeliver(webhook, order)
                return delivery.model_copy(update={"status": "pending"})
        raise UnknownDelivery(f"The run {ref.run_id} has no delivery {delivery_id}.")

    async def forget(self, ref: RunRef, run: Run | None) -> None:
        """Forget what a run's webhooks were told."""
        for webhook in _webhooks_of(ref, run):
            await self._ingress.forget_webhook(webhook)

    async def _all(self, ref: RunRef) -> list[tuple[WebhookRef, Delivery]]:
        webhooks = _webhooks_of(ref, await self._reader.read(ref, messages=False))
        found = await asyncio.gather(*map(self._ingress.deliveries, webhooks))
        pairs = zip(webhooks, found, strict=True)
        return [(webhook, delivery) for webhook, told in pairs for delivery in told]


def _webhooks_of(ref: RunRef, run: Run | None) -> list[WebhookRef]:
    count = len((run and run.webhooks) or ())
    return [WebhookRef(ref, place) for place in range(count)]
