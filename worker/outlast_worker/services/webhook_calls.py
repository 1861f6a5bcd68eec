"""What runs tell of themselves to their webhooks, and what of them goes along."""

from typing import Any

from pydantic_core import to_json

from outlast.contract import RunOrder
from outlast.events import AnyEvent, RunWaiting, TerminalEvent
from outlast.names import WebhookRef
from outlast.protocol import (
    Run,
    Time,
    Webhook,
    WebhookData,
    WebhookEvent,
    WebhookEventType,
    Wire,
)

_LONG_OUTPUT_BYTES = 16 * 1024
_PREVIEW_CHARS = 200


class RunNews(Wire):
    """What has happened to a run, for its webhooks: `name` tells it from all else that does."""

    webhooks: list[Webhook]
    name: str
    type: WebhookEventType
    at: Time
    data: WebhookData

    def for_webhook(self, place: WebhookRef) -> WebhookEvent:
        """Return what one of them is told."""
        event_id = place.event_id(self.name)
        return WebhookEvent(id=event_id, type=self.type, timestamp=self.at, data=self.data)


class RunWatch(Wire):
    """A run whose webhooks are to hear of its end even if it can't tell them itself."""

    invocation_id: str
    webhooks: list[Webhook]


class Told(Wire):
    """An event that a webhook is to be told of."""

    webhook: Webhook
    event: WebhookEvent


def news_of(order: RunOrder, event: AnyEvent, run: Run | None) -> RunNews | None:
    """Return what a run's webhooks are to hear of an event that it commits, if anything.

    Args:
        order: The run's.
        event: The event.
        run: The run as it was kept last, which it is before it waits.
    """
    webhooks = order.webhooks or []
    wanted = {event_type for webhook in webhooks for event_type in webhook.events}
    at = event.at or order.created_at
    if isinstance(event, RunWaiting) and run and "run.waiting" in wanted:
        data = WebhookData(run=summary_of(run), approvals=event.approvals, calls=event.calls)
        name = f"waiting {event.segment}"
        return RunNews(webhooks=webhooks, name=name, type="run.waiting", at=at, data=data)
    if isinstance(event, TerminalEvent) and "run.ended" in wanted:
        return news_of_end(webhooks, event.run, at)
    return None


def news_of_end(webhooks: list[Webhook], run: Run, at: Time) -> RunNews:
    """Return what a run's webhooks are to hear of its end."""
    data = WebhookData(run=summary_of(run))
    return RunNews(webhooks=webhooks, name="ended", type="run.ended", at=at, data=data)


def summary_of(run: Run) -> Run:
    """Return what of a run goes along: as much as a receiver takes, and no more."""
    short: dict[str, Any] = {
        "messages": None,
        "approvals": [],
        "calls": [],
        "origin": None,
        "webhooks": None,
    }
    if len(to_json(run.output)) > _LONG_OUTPUT_BYTES:
        said = run.output if isinstance(run.output, str) else to_json(run.output).decode()
        short |= {"output": None, "output_preview": said[:_PREVIEW_CHARS]}
    return run.model_copy(update=short)
