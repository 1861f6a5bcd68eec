"""Messages to runs that are going on."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request

from outlast.contract import SteerOrder
from outlast.errors import (
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    RunEnded,
    UnknownRun,
)
from outlast.protocol import Steered, SteerRun
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.deps import AppParts
from outlast_app.openapi import BEHIND, problems
from outlast_app.routes.runs import RunId
from outlast_app.runs.reader import (
    MAX_MESSAGE_BYTES,
    as_messages,
    check_addition,
    hash_of,
    is_broken,
)

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

_PROBLEMS = problems(
    UnknownRun, RunEnded, BodyTooLarge, InvalidRequest, IdempotencyConflict, *BEHIND
)
MessageKey = Annotated[
    str | None,
    Header(min_length=1, max_length=256, description="The same key is always the same message."),
]


@router.post("/runs/{run_id}/messages", status_code=202, responses=_PROBLEMS)
async def steer_run(
    run_id: RunId,
    body: SteerRun,
    request: Request,
    tenant: Tenant,
    idempotency_key: MessageKey = None,
) -> Steered:
    """Say something to a run: it reads it before its next model call."""
    parts = AppParts.of(request)
    check_addition(body, MAX_MESSAGE_BYTES)
    run = await parts.reader.read(tenant, run_id, messages=False)
    if is_broken(run) or (run.ended and not idempotency_key):
        raise _ended(run_id)
    order = SteerOrder(
        run_id=run_id,
        input=as_messages(body.input),
        at=datetime.now(UTC),
        key=idempotency_key,
        body_hash=hash_of(body),
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
