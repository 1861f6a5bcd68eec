"""Threads that are made before their first run, and what is said of them."""

from datetime import UTC, datetime

from outlast.contract import AddOrder, ThreadChange, ThreadOrder
from outlast.errors import (
    IdempotencyConflict,
    InvalidRequest,
    ThreadBusy,
    ThreadExists,
    UnknownThread,
)
from outlast.names import (
    ThreadRef,
    derived_run_id,
    derived_thread_id,
    new_run_id,
    new_thread_id,
)
from outlast.protocol import (
    MAX_METADATA_BYTES,
    AddMessages,
    ChangeThread,
    CreateThread,
    MessagesAdded,
    Thread,
)
from outlast_app.restate.ingress import Ingress
from outlast_app.runs.actions import ThreadActions
from outlast_app.runs.orders import MAX_MESSAGE_BYTES, as_messages, check_addition, hash_of

# Before the name of what is added, where a run has its agent: none may be called so.
_ADDED = "Added"


class ThreadLife:
    """Makes and changes threads."""

    def __init__(self, ingress: Ingress, threads: ThreadActions) -> None:
        self._ingress = ingress
        self._threads = threads

    async def create(self, tenant: str, body: CreateThread, idempotency_key: str | None) -> Thread:
        """Make an empty thread.

        Raises:
            ThreadExists: There is one of this name, which another request has made.
        """
        made = derived_thread_id(tenant, idempotency_key) if idempotency_key else new_thread_id()
        thread = ThreadRef(tenant, body.thread_id or made)
        order = ThreadOrder(
            metadata=body.metadata,
            expires_after_s=body.expires_after_s,
            request=idempotency_key and f"{idempotency_key}:{hash_of(body)}",
            at=datetime.now(UTC),
        )
        answer = await self._ingress.create_thread(thread, order)
        if answer.outcome == "exists":
            raise ThreadExists(
                f"There is a thread {thread.thread_id!r} already. Start runs on it, change it, or "
                "choose another name."
            )
        return await self._threads.read(thread)

    async def add(
        self, thread: ThreadRef, body: AddMessages, idempotency_key: str | None
    ) -> MessagesAdded:
        """Add messages to a conversation that no run holds.

        Raises:
            UnknownThread: There is none.
            ThreadBusy: A run holds it.
            InvalidRequest: A message says nothing, or has a file that no provider can read.
            BodyTooLarge: They are too large to be added at once.
            IdempotencyConflict: The key was given with other messages.
        """
        check_addition(body, MAX_MESSAGE_BYTES)
        parts = (thread.tenant, thread.thread_id, idempotency_key or "")
        order = AddOrder(
            added_as=derived_run_id(_ADDED, *parts) if idempotency_key else new_run_id(_ADDED),
            messages=as_messages(body.messages, "body.messages"),
            at=datetime.now(UTC),
            body_hash=hash_of(body),
            repeatable=idempotency_key is not None,
        )
        answer = await self._ingress.add_messages(thread, order)
        match answer.outcome:
            case "unknown":
                raise UnknownThread(f"There is no thread {thread.thread_id!r}; make it first.")
            case "busy":
                raise ThreadBusy(
                    f"The run {answer.run_id} holds the thread and would not read them. Wait for "
                    "its end, or say it to the run itself.",
                    extra={"run_id": answer.run_id},
                )
            case "different":
                raise IdempotencyConflict("This Idempotency-Key came with other messages before.")
            case "added":
                return MessagesAdded(message_ids=answer.message_ids)

    async def change(self, thread: ThreadRef, body: ChangeThread) -> Thread:
        """Change what is known of a thread.

        Raises:
            UnknownThread: There is none.
            InvalidRequest: Its metadata would become too large.
        """
        given = body.metadata or {}
        change = ThreadChange(
            set_metadata={name: value for name, value in given.items() if value is not None},
            unset_metadata=[name for name, value in given.items() if value is None],
            changes_expiry="expires_after_s" in body.model_fields_set,
            expires_after_s=body.expires_after_s,
            at=datetime.now(UTC),
        )
        answer = await self._ingress.change_thread(thread, change)
        if answer.outcome == "unknown":
            raise UnknownThread(f"There is no thread {thread.thread_id!r}.")
        if answer.outcome == "too_large":
            most = f"all of it takes up to {MAX_METADATA_BYTES} bytes as JSON: lists show it"
            raise InvalidRequest.at(("body.metadata", most))
        return await self._threads.read(thread)
