"""Questions to what tells webhooks of runs, and what it is asked to do."""

from pydantic import TypeAdapter

from outlast.contract import RedeliverOrder
from outlast.names import WebhookRef
from outlast.protocol import Delivery
from outlast_app.restate.http import Lost, unavailable
from outlast_app.restate.worker_calls import ACCEPT_TIMEOUT_S, WorkerCalls

_DELIVERIES = TypeAdapter(list[Delivery])


class WebhookCalls(WorkerCalls):
    """The handlers of webhooks, which any worker answers."""

    async def deliveries(self, webhook: WebhookRef) -> list[Delivery]:
        """Return how far a webhook has been told of what has happened."""
        return await self._call(webhook, "deliveries", _DELIVERIES)

    async def redeliver(self, webhook: WebhookRef, order: RedeliverOrder) -> None:
        """Have a webhook told again."""
        await self._send(webhook, "redeliver", order)

    async def forget_webhook(self, webhook: WebhookRef) -> None:
        """Have forgotten what a webhook was told, once it is not told any more."""
        await self._send(webhook, "forget", None)

    async def _send(self, webhook: WebhookRef, handler: str, order: RedeliverOrder | None) -> None:
        path = self._path("send", webhook, handler)
        try:
            sent = await self._http.send(path, order, ACCEPT_TIMEOUT_S, {})
        except (Lost, TimeoutError):
            raise unavailable() from None
        sent.expect(202)
