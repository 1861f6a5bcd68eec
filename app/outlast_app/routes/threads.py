"""Conversations: who holds them, and what was said."""

from fastapi import APIRouter, Response

from outlast.errors import (
    AdminUnavailable,
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    ThreadBusy,
    ThreadExists,
    UnknownThread,
)
from outlast.protocol import (
    AddMessages,
    ChangeThread,
    CreateThread,
    MessagePage,
    MessagesAdded,
    Thread,
    ThreadPage,
)
from outlast_app.auth import KeyedRoute, KnownCaller, Tenant
from outlast_app.cursors import Cursor, position
from outlast_app.deps import Deps
from outlast_app.keyring import Caller
from outlast_app.openapi import BEHIND, BY_METADATA, problems, takes
from outlast_app.routes.parameters import (
    AddedMessagesBody,
    AfterMessage,
    CursorText,
    IdempotencyKey,
    Limit,
    NewThreadBody,
    Order,
    ThreadChangeBody,
    ThreadPath,
    WantedMetadata,
    WithRuns,
)

router = APIRouter(tags=["threads"], route_class=KeyedRoute)

_PROBLEMS = problems(UnknownThread, InvalidRequest, *BEHIND)
_DELETE_PROBLEMS = problems(UnknownThread, ThreadBusy, InvalidRequest, AdminUnavailable, *BEHIND)


@router.get(
    "/threads",
    response_description="A page of them.",
    responses=problems(InvalidRequest, AdminUnavailable),
    openapi_extra=BY_METADATA,
)
async def list_threads(
    deps: Deps,
    tenant: Tenant,
    metadata: WantedMetadata,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> ThreadPage:
    """List the conversations, those that changed last first."""
    return await deps.listings.threads(tenant, metadata, limit, Cursor.read(cursor, "threads"))


@router.post(
    "/threads",
    status_code=201,
    response_model=Thread,
    response_description="The thread, which is empty.",
    responses=problems(ThreadExists, BodyTooLarge, InvalidRequest, *BEHIND),
    openapi_extra=takes(CreateThread),
)
async def create_thread(
    body: NewThreadBody, deps: Deps, caller: KnownCaller, idempotency_key: IdempotencyKey = None
) -> Response:
    """Make a thread before its first run, with what is to be known of it."""
    made = await deps.thread_life.create(caller.tenant, body, idempotency_key)
    thread = _shown(made, caller)
    return Response(
        thread.model_dump_json(),
        status_code=201,
        headers={"Location": f"/threads/{thread.thread_id}"},
        media_type="application/json",
    )


@router.patch(
    "/threads/{thread_id}",
    response_description="The thread as it is now.",
    responses=problems(UnknownThread, BodyTooLarge, InvalidRequest, *BEHIND),
    openapi_extra=takes(ChangeThread),
)
async def change_thread(
    thread: ThreadPath, body: ThreadChangeBody, deps: Deps, caller: KnownCaller
) -> Thread:
    """Change what is known of a thread, and when it is forgotten; a run that holds it goes on."""
    return _shown(await deps.thread_life.change(thread, body), caller)


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


@router.post(
    "/threads/{thread_id}/messages",
    response_description="The thread has them.",
    responses=problems(
        UnknownThread, ThreadBusy, BodyTooLarge, InvalidRequest, IdempotencyConflict, *BEHIND
    ),
    openapi_extra=takes(AddMessages),
)
async def add_messages(
    thread: ThreadPath,
    body: AddedMessagesBody,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> MessagesAdded:
    """Add messages to a conversation that no run holds; the next run reads them."""
    return await deps.thread_life.add(thread, body, idempotency_key)


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
async def delete_thread(thread: ThreadPath, deps: Deps, *, runs: WithRuns = False) -> Response:
    """Forget the conversation, unless a run holds the thread.

    Its runs stay, with what was said in them, until `RUN_RETENTION_S` after their end, unless
    `runs` says otherwise.
    """
    await (deps.deletion.thread(thread) if runs else deps.threads.delete(thread))
    return Response(status_code=204)


def _shown(thread: Thread, caller: Caller) -> Thread:
    """Leave out what was said of the thread, which others may have done, for who may not read."""
    return thread if "read" in caller.rights else thread.model_copy(update={"metadata": {}})
