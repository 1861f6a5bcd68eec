"""Signals to the durable calls of runs that are going on."""

from fastapi import APIRouter, Request, Response

from outlast.errors import (
    BodyTooLarge,
    InvalidRequest,
    RunEnded,
    SignalConflict,
    UnknownRun,
    UnknownSignal,
)
from outlast.protocol import SignalTaken, SignalValue
from outlast_app.auth import KeyedRoute
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems, takes
from outlast_app.routes.handing_over import answer_for, handed_over
from outlast_app.routes.parameters import (
    RunPath,
    SignalBody,
    SignalCall,
    SignalName,
    callers_trace,
)

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

_PROBLEMS = problems(
    UnknownRun,
    UnknownSignal,
    SignalConflict,
    RunEnded,
    BodyTooLarge,
    InvalidRequest,
    *BEHIND,
)


@router.post(
    "/runs/{run_id}/signals/{name}",
    response_model=SignalTaken,
    response_description="The signal, which counts.",
    responses={**handed_over(SignalTaken, "The signal"), **_PROBLEMS},
    openapi_extra=takes(SignalValue),
)
async def send_signal(
    ref: RunPath,
    name: SignalName,
    body: SignalBody,
    deps: Deps,
    request: Request,
    call_id: SignalCall = None,
) -> Response:
    """Send a signal to a durable call. The first value counts; the same one again is fine."""
    taken = await deps.runs.signal(ref, name, body, call_id, callers_trace(request))
    return answer_for(ref, taken, counts=taken.call_id is not None)
