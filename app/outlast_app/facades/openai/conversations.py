"""`/v1/conversations`: threads, by another name; `conv_` is put before theirs."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from outlast.names import ThreadRef
from outlast.protocol import AddMessages, ChangeThread, CreateThread, Thread
from outlast_app.bodies import read_open_body
from outlast_app.facades.openai.content import OpenAiModel
from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.facades.openai.response_input import resolve
from outlast_app.facades.openai.response_items import items_of, page_of
from outlast_app.facades.openai.response_known import thread_of
from outlast_app.facades.openai.response_requests import InputItem, read_history
from outlast_app.facades.requests import Asked, Asking

router = APIRouter(tags=["conversations"], route_class=OpenAiRoute)

ConversationId = Annotated[str, Path(description="The `id` of a conversation.")]
_PAGE = 100


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
    made = CreateThread(metadata=body.metadata)
    thread = await asked.deps.thread_life.create(asked.tenant, made, asked.idempotency_key)
    if body.items:
        await _add(asked, ThreadRef(asked.tenant, thread.thread_id), body.items)
    return _shown(thread)


@router.get("/conversations/{conversation_id}")
async def get_conversation(conversation_id: ConversationId, asked: Asking) -> dict[str, Any]:
    """Return a conversation."""
    return _shown(await asked.deps.threads.read(thread_of(asked, conversation_id)))


@router.post("/conversations/{conversation_id}")
async def change_conversation(
    conversation_id: ConversationId, request: Request, asked: Asking
) -> dict[str, Any]:
    """Change what is known of it."""
    body = await read_open_body(request, _Change)
    change = ChangeThread(metadata=body.metadata)
    thread = thread_of(asked, conversation_id)
    return _shown(await asked.deps.thread_life.change(thread, change))


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
    added = await _add(asked, thread, body.items)
    items = [item for item in await _items(asked, thread) if item["id"] in added]
    return page_of(items, limit=len(items) or 1, is_descending=False, after=None)


async def _add(asked: Asked, thread: ThreadRef, items: list[InputItem]) -> set[str]:
    resolved = await resolve(asked, items)
    said = read_history([item for _, item in resolved], [place for place, _ in resolved])
    key = asked.idempotency_key
    answer = await asked.deps.thread_life.add(thread, AddMessages(messages=said), key)
    return set(answer.message_ids)


async def _items(asked: Asked, thread: ThreadRef) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: int | None = 0
    while cursor is not None:
        page = await asked.deps.threads.read_history(thread, cursor, _PAGE)
        items += [item for message in page.items for item in items_of(message)]
        cursor = int(page.next_cursor) if page.next_cursor else None
    return items


def _shown(thread: Thread) -> dict[str, Any]:
    return {
        "id": f"conv_{thread.thread_id}",
        "object": "conversation",
        "created_at": int(thread.created_at.timestamp()),
        "metadata": thread.metadata,
    }
