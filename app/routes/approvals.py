"""Tool calls that wait for a person."""

from fastapi import APIRouter, Request

from app.auth import Tenant
from app.cursors import Cursor, CursorText, Limit
from app.parts import AppParts
from shared.protocol import ApprovalPage

router = APIRouter(tags=["approvals"])


@router.get("/approvals")
async def list_approvals(
    request: Request, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> ApprovalPage:
    """List the pending approvals of all runs, newest first."""
    after = Cursor.read(cursor, "approvals")
    return await AppParts.of(request).listings.approvals(tenant, limit, after)
