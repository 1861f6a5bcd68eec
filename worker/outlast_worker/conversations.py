"""The conversations that this process remembers, so that the next run need not read them again.

Nothing depends on it: what is not here is read from the thread. A conversation is found by its
mark, which follows from what was said. So none is found that has changed meanwhile, wherever.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from outlast.contract import ConversationMark
from outlast_worker.engine.records import StoredMessage

# What a message takes in memory besides its text.
_MESSAGE_BYTES = 2_000


@dataclass(frozen=True)
class _Remembered:
    mark: ConversationMark
    messages: Sequence[StoredMessage]

    @property
    def size(self) -> int:
        return self.mark.bytes + _MESSAGE_BYTES * self.mark.messages


class Conversations:
    """The latest conversation of each thread, of the threads that were used last.

    Args:
        max_bytes: Of memory, roughly.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._threads: OrderedDict[str, _Remembered] = OrderedDict()
        self._size = 0

    def find(self, thread: str, mark: ConversationMark) -> Sequence[StoredMessage] | None:
        """Return a thread's conversation, if it is remembered.

        Args:
            thread: Its key in Restate, with the tenant.
            mark: Which conversation it is to be.
        """
        if not mark.messages:
            return ()
        remembered = self._threads.get(thread)
        if remembered is None or not remembered.mark.names_same(mark):
            return None
        self._threads.move_to_end(thread)
        return remembered.messages

    def keep(self, thread: str, mark: ConversationMark, messages: Sequence[StoredMessage]) -> None:
        """Remember a thread's conversation in place of its earlier one."""
        self._forget(thread)
        kept = _Remembered(mark, messages)
        if kept.size > self._max_bytes:
            return
        self._threads[thread] = kept
        self._size += kept.size
        while self._size > self._max_bytes:
            self._forget(next(iter(self._threads)))

    def _forget(self, thread: str) -> None:
        if forgotten := self._threads.pop(thread, None):
            self._size -= forgotten.size
