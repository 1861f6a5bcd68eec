"""What webhooks were told of runs, and telling them again."""

from fastapi import APIRouter

from outlast.errors import InvalidRequest, UnknownDelivery, UnknownRun
from outlast.protocol import Deliveries, Delivery, WebhookEvent
from outlast_app.auth import KeyedRoute
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems, takes
from outlast_app.routes.parameters import DeliveryId, RunPath

router = APIRouter(tags=["webhooks"], route_class=KeyedRoute)


@router.get(
    "/runs/{run_id}/webhooks",
    response_description="The deliveries.",
    responses=problems(UnknownRun, InvalidRequest, *BEHIND),
)
async def list_deliveries(ref: RunPath, deps: Deps) -> Deliveries:
    """List how far the run's webhooks have been told of what has happened."""
    return await deps.webhooks.read(ref)


@router.post(
    "/runs/{run_id}/webhooks/{delivery_id}/redeliver",
    status_code=202,
    response_description="The delivery: it is tried again.",
    responses=problems(UnknownRun, UnknownDelivery, InvalidRequest, *BEHIND),
)
async def redeliver(ref: RunPath, delivery_id: DeliveryId, deps: Deps) -> Delivery:
    """Tell a webhook again, as if the event had just happened; with the same `webhook-id`."""
    return await deps.webhooks.redeliver(ref, delivery_id)


webhooks = APIRouter()
_HEADERS = [
    {
        "name": name,
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": description,
    }
    for name, description in (
        ("webhook-id", "The event's `id`, the same each time it is sent."),
        ("webhook-timestamp", "When it was sent, in seconds since 1970."),
        (
            "webhook-signature",
            "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in Base64, of each.",
        ),
    )
]


@webhooks.post(
    "run",
    status_code=204,
    response_description="It is taken, as by any 2xx, and not sent again.",
    responses={
        410: {"description": "Nothing more of this run is to be sent."},
        "default": {"description": "It is sent again, for a day."},
    },
    openapi_extra={"parameters": _HEADERS, **takes(WebhookEvent)},
)
async def run_webhook() -> None:
    """Tell what has become of a run, at the `url` of one of its webhooks."""
