"""Conversations: who has the turn, and what was said."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from outlast.contract import HistoryQuestion, ThreadStatus
from outlast.errors import AdminUnavailable, InvalidRequest, ThreadBusy, UnknownThread
from outlast.names import THREAD_ID
from outlast.protocol import MessagePage, Thread, ThreadPage
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.cursors import Cursor, CursorText, Limit, position
from outlast_app.deps import AppParts
from outlast_app.openapi import BEHIND, problems
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken

router = APIRouter(tags=["threads"], route_class=KeyedRoute)

_PROBLEMS = problems(UnknownThread, InvalidRequest, *BEHIND)
_DELETE_PROBLEMS = problems(UnknownThread, ThreadBusy, InvalidRequest, *BEHIND)

ThreadPath = Annotated[str, Path(pattern=f"^{THREAD_ID}$")]


@router.get("/threads", responses=problems(InvalidRequest, AdminUnavailable))
async def list_threads(
    request: Request, tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> ThreadPage:
    """List the conversations, newest first."""
    after = Cursor.read(cursor, "threads")
    return await AppParts.of(request).listings.threads(tenant, limit, after)


@router.get("/threads/{thread_id}", responses=_PROBLEMS)
async def get_thread(thread_id: ThreadPath, request: Request, tenant: Tenant) -> Thread:
    """Return who has the turn on the thread and who waits."""
    parts = AppParts.of(request)
    status = await parts.ingress.thread_status(tenant, thread_id)
    if status is None:
        raise _unknown(thread_id)
    dead = status.run_id is not None and await parts.reader.is_dead(tenant, status.run_id)
    if dead:
        # Its thread learns of it when told.
        await parts.ingress.tend_thread(tenant, thread_id)
    run_id = None if dead else status.run_id
    return Thread(
        thread_id=thread_id,
        status="busy" if run_id or status.queued else "idle",
        run_id=run_id,
        queued=status.queued,
        message_count=status.message_count,
        created_at=status.created_at,
        updated_at=status.updated_at,
    )


@router.get("/threads/{thread_id}/messages", responses=_PROBLEMS)
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


@router.delete("/threads/{thread_id}", status_code=204, responses=_DELETE_PROBLEMS)
async def delete_thread(thread_id: ThreadPath, request: Request, tenant: Tenant) -> Response:
    """Forget the conversation, unless a run has the turn."""
    parts = AppParts.of(request)
    status = await parts.ingress.thread_status(tenant, thread_id)
    dead = status and await _killed_holder(parts.ingress, tenant, status)
    answer = await parts.ingress.delete_thread(tenant, thread_id, dead)
    if answer.outcome == "unknown":
        raise _unknown(thread_id)
    if answer.outcome == "busy":
        raise ThreadBusy(
            f"The run {answer.run_id} has the turn. Wait for its end, or cancel it, first."
        )
    return Response(status_code=204)


async def _killed_holder(ingress: Ingress, tenant: str, status: ThreadStatus) -> str | None:
    """Return the run that has the turn if it is sure that it was killed."""
    if status.run_id and isinstance(await ingress.outcome(tenant, status.run_id), Broken):
        return status.run_id
    return None


def _unknown(thread_id: str) -> UnknownThread:
    return UnknownThread(
        f"There is no thread {thread_id!r}. A thread is made by the first run that names it."
    )
