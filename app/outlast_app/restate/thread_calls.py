"""Questions to a thread, and what is done to it."""

from pydantic import TypeAdapter

from outlast.contract import (
    AddAnswer,
    AddOrder,
    ChangeAnswer,
    CreateAnswer,
    DeleteAnswer,
    DeleteOrder,
    HistoryAnswer,
    HistoryQuestion,
    TakeBackAnswer,
    TakeBackOrder,
    ThreadChange,
    ThreadHolder,
    ThreadOrder,
    ThreadStatus,
)
from outlast.names import ThreadRef
from outlast_app.restate.worker_calls import WorkerCalls

_HOLDER = TypeAdapter[ThreadHolder | None](ThreadHolder | None)
_STATUS = TypeAdapter[ThreadStatus | None](ThreadStatus | None)
_HISTORY = TypeAdapter(HistoryAnswer)
_DELETED = TypeAdapter(DeleteAnswer)
_CREATED = TypeAdapter(CreateAnswer)
_ADDED = TypeAdapter(AddAnswer)
_CHANGED = TypeAdapter(ChangeAnswer)
_TAKEN_BACK = TypeAdapter(TakeBackAnswer)
_NOTHING = TypeAdapter[None](None)


class ThreadCalls(WorkerCalls):
    """The handlers of a thread, which any worker answers."""

    async def thread_holder(self, thread: ThreadRef) -> ThreadHolder | None:
        """Return who holds a thread, however long its line is; None if there is no such thread."""
        answer = await self._ask(thread, "holder")
        if not answer.names_no_handler:
            answer.expect(200)
            return answer.read(_HOLDER)
        # The worker is older.
        status = await self.thread_status(thread)
        return status and ThreadHolder(run_id=status.run_id, message_count=status.message_count)

    async def thread_status(self, thread: ThreadRef) -> ThreadStatus | None:
        """Return who holds a thread and who waits for it; None if there is no such thread."""
        return await self._call(thread, "status", _STATUS)

    async def thread_history(self, thread: ThreadRef, question: HistoryQuestion) -> HistoryAnswer:
        """Return a part of a conversation."""
        return await self._call(thread, "history", _HISTORY, question)

    async def check_holder(self, thread: ThreadRef) -> None:
        """Tell a thread that the run that holds it was killed: it goes on without it soon."""
        await self._call(thread, "check_holder", _NOTHING, headers={})

    async def create_thread(self, thread: ThreadRef, order: ThreadOrder) -> CreateAnswer:
        """Make an empty thread, unless there is one of this name."""
        return await self._call(thread, "create", _CREATED, order, headers={})

    async def change_thread(self, thread: ThreadRef, change: ThreadChange) -> ChangeAnswer:
        """Change what is known of a thread."""
        return await self._call(thread, "change", _CHANGED, change, headers={})

    async def add_messages(self, thread: ThreadRef, order: AddOrder) -> AddAnswer:
        """Add messages to a conversation, unless a run holds it."""
        return await self._call(thread, "add", _ADDED, order, headers={})

    async def delete_thread(self, thread: ThreadRef, dead: str | None) -> DeleteAnswer:
        """Delete a conversation, unless a run holds it that is not known to be dead."""
        return await self._call(thread, "delete", _DELETED, DeleteOrder(dead=dead), headers={})

    async def take_back(self, thread: ThreadRef, order: TakeBackOrder) -> TakeBackAnswer:
        """Forget the end of a conversation, unless a run holds it."""
        return await self._call(thread, "take_back", _TAKEN_BACK, order, headers={})
