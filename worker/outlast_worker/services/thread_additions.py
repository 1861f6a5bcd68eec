"""What clients add to a conversation themselves, while no run holds it."""

from restate import ObjectContext, VirtualObject

from outlast.contract import AddAnswer, AddOrder
from outlast_worker.engine.records import StoredMessage, rest_of
from outlast_worker.services import state, thread_line
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_history import know_digest, read_pages
from outlast_worker.services.thread_state import Addition, append, remember
from outlast_worker.services.thread_watch import watch_holder


def add_additions(thread: VirtualObject, prefix: str) -> None:
    """Add the handler."""

    @json_handler(thread.handler)
    async def add(ctx: ObjectContext, order: AddOrder) -> AddAnswer:
        """Add messages, unless a run holds the conversation: it would not have read them."""
        head = await thread_line.read_head(ctx)
        earlier = await state.ADDITIONS.get(ctx) or []
        if known := next((each for each in earlier if each.added_as == order.added_as), None):
            same = known.body_hash == order.body_hash
            outcome = "added" if same else "different"
            return AddAnswer(outcome=outcome, message_ids=known.message_ids)
        if head is None:
            return AddAnswer(outcome="unknown")
        if head.holder:
            watch_holder(ctx, prefix, head)
            return AddAnswer(outcome="busy", run_id=head.holder.run_id)
        head = await know_digest(ctx, head)
        page = [] if head.open_page is None else await read_pages(ctx, head, [head.open_page])
        items = _items(order)
        head, written = append(head, page, items)
        ids = [item.id for item in items]
        for index, messages in written.items():
            state.page(index).set(ctx, messages)
        state.HEAD.set(ctx, head.touched(order.at))
        if order.repeatable:
            addition = Addition(added_as=order.added_as, body_hash=order.body_hash, message_ids=ids)
            state.ADDITIONS.set(ctx, remember(earlier, addition))
        return AddAnswer(outcome="added", message_ids=ids)


def _items(order: AddOrder) -> list[StoredMessage]:
    return [
        StoredMessage(
            id=said.id or f"{order.added_as}:{number}",
            role=said.role,
            content=said.content,
            run_id=order.added_as,
            created_at=order.at,
            **rest_of(said),
        )
        for number, said in enumerate(order.messages, start=1)
    ]
