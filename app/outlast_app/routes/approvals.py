"""Tool calls that wait for a person, and what people decide."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request

from outlast.contract import DecideAnswer, DecideOrder
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
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.cursors import Cursor, CursorText, Limit
from outlast_app.deps import AppParts
from outlast_app.openapi import BEHIND, problems
from outlast_app.routes.runs import RunId
from outlast_app.runs.reader import MAX_DECISION_BYTES, check_addition, is_broken

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

CallId = Annotated[str, Path(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}$")]


@router.get("/approvals", responses=problems(InvalidRequest, AdminUnavailable))
async def list_approvals(
    request: Request, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> ApprovalPage:
    """List the pending approvals of all runs, newest first."""
    after = Cursor.read(cursor, "approvals")
    return await AppParts.of(request).listings.approvals(tenant, limit, after)


@router.post("/runs/{run_id}/approvals/{call_id}", responses=_DECIDE_PROBLEMS)
async def decide(
    run_id: RunId, call_id: CallId, body: Decision, request: Request, tenant: Tenant
) -> Resolution:
    """Decide on a tool call that waits for it. The same decision again gets the same answer."""
    parts = AppParts.of(request)
    check_addition(body, MAX_DECISION_BYTES)
    run = await parts.reader.read(tenant, run_id, messages=False)
    if is_broken(run):
        raise _ended(run_id)
    order = DecideOrder(call_id=call_id, decision=body, at=datetime.now(UTC))
    answer = await parts.ingress.decide(tenant, run_id, order)
    if answer.resolution and answer.outcome == "decided":
        return answer.resolution
    raise _problem(run_id, call_id, answer)


def _problem(
    run_id: str, call_id: str, answer: DecideAnswer
) -> UnknownApproval | RunEnded | AlreadyDecided | InvalidRequest:
    if answer.resolution:
        counts = answer.resolution
        by = f" by {counts.by}" if counts.by else ""
        return AlreadyDecided(
            f"The call {call_id} was decided already: {counts.action}{by}, {counts.at:%FT%TZ}.",
            extra={"resolution": counts.model_dump(mode="json")},
        )
    if answer.outcome == "invalid":
        return InvalidRequest.at(*((fault.field, fault.message) for fault in answer.faults))
    if answer.outcome == "ended":
        return _ended(run_id)
    return UnknownApproval(f"The call {call_id} of {run_id} does not wait for a decision.")


def _ended(run_id: str) -> RunEnded:
    return RunEnded(f"The run {run_id} has ended; nothing waits any more.")
