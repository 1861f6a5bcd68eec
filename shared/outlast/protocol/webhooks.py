"""What webhooks are told, and how that went."""

from typing import Annotated, Literal

from pydantic import Field

from outlast.protocol.requests import WebhookEventType
from outlast.protocol.runs import Run
from outlast.protocol.waiting import Awaited
from outlast.protocol.wire import OrNewer, Public, Time

DeliveryStatus = Literal["pending", "delivered", "given_up"]


class WebhookData(Public):
    """What a webhook is told of a run."""

    run: Run
    """The run as it was then: as in lists, without its messages, approvals and calls. A long
    `output` is left out, and `output_preview` is how it begins."""
    approvals: list[Awaited] = Field(default_factory=list[Awaited])
    """Of `run.waiting`: the approvals that are open."""
    calls: list[Awaited] = Field(default_factory=list[Awaited])
    """Of `run.waiting`: the calls whose results clients have to send, and those that wait for a
    signal."""


class WebhookEvent(Public):
    """The body of a request to a webhook."""

    id: str
    """Names the event at this webhook, also when it comes again: the same as `webhook-id`."""
    type: Annotated[WebhookEventType, OrNewer]
    """`run.waiting`, or `run.ended`, however it did: see the run's `status`."""
    timestamp: Time
    """When it happened; `webhook-timestamp` says when this request was made."""
    data: WebhookData
    """What has happened."""


class Delivery(Public):
    """How far a webhook has been told of an event."""

    id: str
    """The event's `id`, sent as `webhook-id`."""
    event: Annotated[WebhookEventType, OrNewer]
    """What has happened."""
    url: str
    """Who is told."""
    status: Annotated[DeliveryStatus, OrNewer] = "pending"
    """`pending`: not yet, it is tried again · `delivered`: answered with a 2xx · `given_up`: tried
    for as long as it may be, or the receiver said 410 Gone."""
    attempts: int = 0
    """How often it was tried."""
    response_status: int | None = None
    """The HTTP status of the last answer; null if there was none."""
    last_error: str | None = None
    """Why the last attempt was none; null if it was one, and before the first."""
    happened_at: Time
    """When the event happened."""
    last_attempt_at: Time | None = None
    """When it was tried last."""
    next_attempt_at: Time | None = None
    """When it is tried again, if it is."""


class Deliveries(Public):
    """All deliveries of a run, in the order of its events."""

    items: list[Delivery]
    """The deliveries so far."""
