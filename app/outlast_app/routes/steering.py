"""Messages to runs that are going on."""

from fastapi import APIRouter, Request

from outlast.errors import (
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    RunEnded,
    UnknownRun,
)
from outlast.protocol import Steered, SteerRun
from outlast_app.auth import KeyedRoute
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems, takes
from outlast_app.routes.parameters import IdempotencyKey, RunPath, SteerBody, callers_trace

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

_PROBLEMS = problems(
    UnknownRun, RunEnded, BodyTooLarge, InvalidRequest, IdempotencyConflict, *BEHIND
)


@router.post(
    "/runs/{run_id}/messages",
    status_code=202,
    response_description="The run has the message.",
    responses=_PROBLEMS,
    openapi_extra=takes(SteerRun),
)
async def steer_run(
    ref: RunPath,
    body: SteerBody,
    deps: Deps,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> Steered:
    """Say something to a run: it reads it before its next model call."""
    return await deps.runs.steer(ref, body, idempotency_key, callers_trace(request))
