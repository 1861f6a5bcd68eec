"""Conversations: who holds them, and what was said."""

from fastapi import APIRouter, Response

from outlast.errors import AdminUnavailable, InvalidRequest, ThreadBusy, UnknownThread
from outlast.protocol import MessagePage, Thread, ThreadPage
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.cursors import Cursor, position
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems
from outlast_app.routes.parameters import AfterMessage, CursorText, Limit, Order, ThreadPath

router = APIRouter(tags=["threads"], route_class=KeyedRoute)

_PROBLEMS = problems(UnknownThread, InvalidRequest, *BEHIND)
_DELETE_PROBLEMS = problems(UnknownThread, ThreadBusy, InvalidRequest, *BEHIND)


@router.get(
    "/threads",
    response_description="A page of them.",
    responses=problems(InvalidRequest, AdminUnavailable),
)
async def list_threads(
    deps: Deps, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> ThreadPage:
    """List the conversations, newest first."""
    return await deps.listings.threads(tenant, limit, Cursor.read(cursor, "threads"))


@router.get("/threads/{thread_id}", response_description="The thread.", responses=_PROBLEMS)
async def get_thread(thread: ThreadPath, deps: Deps) -> Thread:
    """Return who holds the thread and who waits for it."""
    return await deps.threads.read(thread)


@router.get(
    "/threads/{thread_id}/messages",
    response_description="A page of them.",
    responses=_PROBLEMS,
)
async def list_messages(
    thread: ThreadPath,
    deps: Deps,
    limit: Limit = 20,
    cursor: CursorText = None,
    order: Order = "asc",
) -> MessagePage:
    """List what was said."""
    if order == "desc":
        before = None if cursor is None else position(cursor)
        return await deps.threads.read_newest(thread, before, limit)
    return await deps.threads.read_history(thread, position(cursor), limit)


@router.delete(
    "/threads/{thread_id}/messages",
    status_code=204,
    response_description="They are forgotten.",
    responses=_DELETE_PROBLEMS,
)
async def take_back_messages(thread: ThreadPath, deps: Deps, after: AfterMessage) -> Response:
    """Forget what was said after a message, unless a run holds the thread.

    So a person takes back a turn that went wrong. Calls of a tool are not undone.
    """
    await deps.threads.take_back(thread, after)
    return Response(status_code=204)


@router.delete(
    "/threads/{thread_id}",
    status_code=204,
    response_description="It is forgotten.",
    responses=_DELETE_PROBLEMS,
)
async def delete_thread(thread: ThreadPath, deps: Deps) -> Response:
    """Forget the conversation, unless a run holds the thread.

    Its runs stay, with what was said in them, until `RUN_RETENTION_S` after their end.
    """
    await deps.threads.delete(thread)
    return Response(status_code=204)
