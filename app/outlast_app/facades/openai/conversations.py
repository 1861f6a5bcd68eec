"""`/v1/conversations`: threads, by another name; `conv_` is put before theirs."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from outlast.conversation import whole
from outlast.names import ThreadRef
from outlast.protocol import AddMessages, ChangeThread, CreateThread, Thread
from outlast_app.bodies import made, read_open_body
from outlast_app.facades.openai.content import OpenAiModel
from outlast_app.facades.openai.errors import renaming
from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.facades.openai.response_input import resolve
from outlast_app.facades.openai.response_items import items_of, page_of
from outlast_app.facades.openai.response_known import thread_of
from outlast_app.facades.openai.response_requests import InputItem, read_history
from outlast_app.facades.requests import Asked, Asking
from outlast_app.runs.orders import MAX_MESSAGE_BYTES, as_messages, check_addition

router = APIRouter(tags=["conversations"], route_class=OpenAiRoute)

ConversationId = Annotated[str, Path(description="The `id` of a conversation.")]
_PAGE = 100
_NAMES = {"input": "items", "messages": "items"}


class _Create(OpenAiModel):
    items: list[InputItem] | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


class _Change(OpenAiModel):
    metadata: dict[str, str | None]


class _Add(OpenAiModel):
    items: Annotated[list[InputItem], Field(min_length=1)]


@router.post("/conversations")
async def create_conversation(request: Request, asked: Asking) -> dict[str, Any]:
    """Make a conversation, perhaps with what was said before."""
    body = await read_open_body(request, _Create)
    empty = made(CreateThread, {"metadata": body.metadata})
    items = await _read(asked, body.items) if body.items else None
    thread = await asked.deps.thread_life.create(asked.tenant, empty, asked.idempotency_key)
    if items:
        await _add(asked, ThreadRef(asked.tenant, thread.thread_id), items)
    return _shown(asked, thread)


@router.get("/conversations/{conversation_id}")
async def get_conversation(conversation_id: ConversationId, asked: Asking) -> dict[str, Any]:
    """Return a conversation."""
    return _shown(asked, await asked.deps.threads.read(thread_of(asked, conversation_id)))


@router.post("/conversations/{conversation_id}")
async def change_conversation(
    conversation_id: ConversationId, request: Request, asked: Asking
) -> dict[str, Any]:
    """Change what is known of it."""
    body = await read_open_body(request, _Change)
    change = made(ChangeThread, {"metadata": body.metadata})
    thread = thread_of(asked, conversation_id)
    return _shown(asked, await asked.deps.thread_life.change(thread, change))


@router.delete("/conversations/{conversation_id}")
async def delete_conversation(conversation_id: ConversationId, asked: Asking) -> dict[str, Any]:
    """Forget it; its responses stay."""
    await asked.deps.threads.delete(thread_of(asked, conversation_id))
    return {"id": conversation_id, "object": "conversation.deleted", "deleted": True}


@router.get("/conversations/{conversation_id}/items")
async def list_items(
    conversation_id: ConversationId,
    asked: Asking,
    *,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: str = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """List what was said in it."""
    items = await _items(asked, thread_of(asked, conversation_id))
    return page_of(items, limit=limit, is_descending=order != "asc", after=after)


@router.post("/conversations/{conversation_id}/items")
async def add_items(
    conversation_id: ConversationId, request: Request, asked: Asking
) -> dict[str, Any]:
    """Add to what was said."""
    body = await read_open_body(request, _Add)
    thread = thread_of(asked, conversation_id)
    added = await _read(asked, body.items)
    ids = await _add(asked, thread, added)
    said = zip(whole(added.messages), ids, strict=True)
    items = [item for message, message_id in said for item in items_of(message, message_id)]
    return page_of(items, limit=len(items), is_descending=False, after=None)


async def _read(asked: Asked, items: list[InputItem]) -> AddMessages:
    """Return what is to be added, all of which was checked."""
    resolved = await resolve(asked, items)
    with renaming(_NAMES):
        said = await asked.beside_loop(
            read_history, [item for _, item in resolved], [place for place, _ in resolved]
        )
        added = made(AddMessages, {"messages": said})
        check_addition(added, MAX_MESSAGE_BYTES)
        as_messages(added.messages, "body.messages")
    return added


async def _add(asked: Asked, thread: ThreadRef, added: AddMessages) -> list[str]:
    answer = await asked.deps.thread_life.add(thread, added, asked.idempotency_key)
    return answer.message_ids


async def _items(asked: Asked, thread: ThreadRef) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: int | None = 0
    while cursor is not None:
        page = await asked.deps.threads.read_history(thread, cursor, _PAGE)
        items += [item for message in page.items for item in items_of(message, message.id)]
        cursor = int(page.next_cursor) if page.next_cursor else None
    return items


def _shown(asked: Asked, thread: Thread) -> dict[str, Any]:
    return {
        "id": f"conv_{thread.thread_id}",
        "object": "conversation",
        "created_at": int(thread.created_at.timestamp()),
        # Others may have said it.
        "metadata": thread.metadata if "read" in asked.caller.rights else {},
    }
