"""Conversations: who has the turn, and what was said."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.auth import KeyedRoute, Tenant
from app.cursors import Cursor, CursorText, Limit, position
from app.parts import AppParts
from shared.contract import HistoryQuestion
from shared.errors import ThreadBusy, UnknownThread
from shared.names import THREAD_ID
from shared.protocol import MessagePage, Thread, ThreadPage

router = APIRouter(tags=["threads"], route_class=KeyedRoute)

ThreadPath = Annotated[str, Path(pattern=f"^{THREAD_ID}$")]


@router.get("/threads")
async def list_threads(
    request: Request, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> ThreadPage:
    """List the conversations, newest first."""
    after = Cursor.read(cursor, "threads")
    return await AppParts.of(request).listings.threads(tenant, limit, after)


@router.get("/threads/{thread_id}")
async def get_thread(thread_id: ThreadPath, request: Request, tenant: Tenant) -> Thread:
    """Return who has the turn on the thread and who waits."""
    status = await AppParts.of(request).ingress.thread_status(tenant, thread_id)
    if status is None:
        raise _unknown(thread_id)
    return Thread(
        thread_id=thread_id,
        status="busy" if status.run_id else "idle",
        run_id=status.run_id,
        queued=status.queued,
        message_count=status.message_count,
        created_at=status.created_at,
        updated_at=status.updated_at,
    )


@router.get("/threads/{thread_id}/messages")
async def list_messages(
    thread_id: ThreadPath,
    request: Request,
    tenant: Tenant,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> MessagePage:
    """List what was said, oldest first."""
    after = position(cursor)
    question = HistoryQuestion(after=after, limit=limit)
    answer = await AppParts.of(request).ingress.thread_history(tenant, thread_id, question)
    if answer.items is None:
        raise _unknown(thread_id)
    reached = after + len(answer.items)
    next_cursor = str(reached) if reached < answer.message_count else None
    return MessagePage(items=answer.items, next_cursor=next_cursor)


@router.delete("/threads/{thread_id}", status_code=204)
async def delete_thread(thread_id: ThreadPath, request: Request, tenant: Tenant) -> Response:
    """Forget the conversation, unless a run has the turn."""
    answer = await AppParts.of(request).ingress.delete_thread(tenant, thread_id)
    if answer.outcome == "unknown":
        raise _unknown(thread_id)
    if answer.outcome == "busy":
        raise ThreadBusy(
            f"The run {answer.run_id} has the turn. Wait for its end, or cancel it, first."
        )
    return Response(status_code=204)


def _unknown(thread_id: str) -> UnknownThread:
    return UnknownThread(
        f"There is no thread {thread_id!r}. A thread is made by the first run that names it."
    )
