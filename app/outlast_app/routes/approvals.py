"""Tool calls that wait for a person, and what people decide."""

from fastapi import APIRouter, Request, Response

from outlast.errors import (
    AdminUnavailable,
    AlreadyDecided,
    BodyTooLarge,
    InvalidRequest,
    RunEnded,
    UnknownApproval,
    UnknownRun,
)
from outlast.protocol import ApprovalPage, Decision, Resolution
from outlast_app.auth import KeyedRoute, KnownCaller, Tenant
from outlast_app.cursors import Cursor
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems, takes
from outlast_app.routes.handing_over import answer_for, handed_over
from outlast_app.routes.parameters import (
    ApprovalId,
    CursorText,
    DecisionBody,
    Limit,
    RunPath,
    callers_trace,
)

router = APIRouter(tags=["approvals"], route_class=KeyedRoute)

_DECIDE_PROBLEMS = problems(
    UnknownRun,
    UnknownApproval,
    AlreadyDecided,
    RunEnded,
    BodyTooLarge,
    InvalidRequest,
    *BEHIND,
)


@router.get(
    "/approvals",
    response_description="A page of them.",
    responses=problems(InvalidRequest, AdminUnavailable),
)
async def list_approvals(
    deps: Deps, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> ApprovalPage:
    """List the pending approvals of all runs, newest first."""
    return await deps.listings.approvals(tenant, limit, Cursor.read(cursor, "approvals"))


@router.post(
    "/runs/{run_id}/approvals/{approval_id}",
    response_model=Resolution,
    response_description="The decision that counts.",
    responses={**handed_over(Resolution, "The decision"), **_DECIDE_PROBLEMS},
    openapi_extra=takes(Decision),
)
async def decide(
    ref: RunPath,
    approval_id: ApprovalId,
    body: DecisionBody,
    deps: Deps,
    caller: KnownCaller,
    request: Request,
) -> Response:
    """Decide on a tool call that waits for it. The same decision again gets the same answer."""
    decided = await deps.runs.decide(ref, approval_id, body, caller.key, callers_trace(request))
    return answer_for(ref, decided.resolution, counts=decided.counts)
