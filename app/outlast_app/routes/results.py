"""Calls of tools that clients run, and the results that clients send."""

from fastapi import APIRouter, Response

from outlast.errors import (
    AdminUnavailable,
    AlreadyAnswered,
    BodyTooLarge,
    InvalidRequest,
    RunEnded,
    UnknownCall,
    UnknownRun,
)
from outlast.protocol import CallAnswer, CallPage, CallResult
from outlast_app.auth import KeyedRoute, KnownCaller, Tenant
from outlast_app.cursors import Cursor
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems, takes
from outlast_app.routes.handing_over import answer_for, handed_over
from outlast_app.routes.parameters import CallId, CursorText, Limit, ResultBody, RunPath

router = APIRouter(tags=["client tools"], route_class=KeyedRoute)

_PROBLEMS = problems(
    UnknownRun, UnknownCall, AlreadyAnswered, RunEnded, BodyTooLarge, InvalidRequest, *BEHIND
)


@router.get(
    "/calls",
    response_description="A page of them.",
    responses=problems(InvalidRequest, AdminUnavailable),
)
async def list_calls(
    deps: Deps, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> CallPage:
    """List the calls of all runs that wait for a client's result, newest first."""
    return await deps.listings.calls(tenant, limit, Cursor.read(cursor, "calls"))


@router.post(
    "/runs/{run_id}/results/{call_id}",
    response_model=CallAnswer,
    response_description="The answer that counts.",
    responses={**handed_over(CallAnswer, "The result"), **_PROBLEMS},
    openapi_extra=takes(CallResult),
)
async def send_result(
    ref: RunPath, call_id: CallId, body: ResultBody, deps: Deps, caller: KnownCaller
) -> Response:
    """Send what a call came to that a client runs. The same result again gets the same answer."""
    sent = await deps.results.send(ref, call_id, body, caller.key)
    return answer_for(ref, sent.answer, counts=sent.counts)
