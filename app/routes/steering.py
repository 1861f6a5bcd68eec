"""Messages to runs that are going on."""

import hashlib
from datetime import UTC, datetime

from fastapi import APIRouter, Request

from app.auth import KeyedRoute, Tenant
from app.parts import AppParts
from app.routes.runs import IdempotencyKey, RunId
from app.runs import MAX_MESSAGE_BYTES, as_messages, check_addition, is_broken
from shared.contract import SteerOrder
from shared.errors import IdempotencyConflict, RunEnded
from shared.protocol import Steered, SteerRun

router = APIRouter(tags=["runs"], route_class=KeyedRoute)


@router.post("/runs/{run_id}/messages", status_code=202)
async def steer_run(
    run_id: RunId,
    body: SteerRun,
    request: Request,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
) -> Steered:
    """Say something to a run: it reads it before its next model call."""
    parts = AppParts.of(request)
    check_addition(body, MAX_MESSAGE_BYTES)
    run = await parts.reader.read(tenant, run_id)
    if is_broken(run) or (run.ended and not idempotency_key):
        raise _ended(run_id)
    order = SteerOrder(
        run_id=run_id,
        input=as_messages(body.input),
        at=datetime.now(UTC),
        key=idempotency_key,
        body_hash=hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32],
    )
    answer = await parts.ingress.steer(tenant, order)
    if answer.outcome == "different":
        raise IdempotencyConflict(
            "This Idempotency-Key belongs to another message. Use a new key for a new one."
        )
    if answer.message_id is None:
        raise _ended(run_id)
    return Steered(message_id=answer.message_id)


def _ended(run_id: str) -> RunEnded:
    return RunEnded(
        f"The run {run_id} has ended and reads no more. Start a new one, on the same thread."
    )
