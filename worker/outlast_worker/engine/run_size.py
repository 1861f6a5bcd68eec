"""How large a run may become, counted in bytes."""

from collections.abc import Iterable

from pydantic import BaseModel
from pydantic_core import to_json

from outlast.protocol import Content, Message

# A run's messages are one journal entry when it returns, and the request of `Thread.release`.
# Restate caps those at 32 MiB and handles them within as much memory.
MAX_RUN_BYTES = 16 * 1024 * 1024
# What comes with the contents: names, arguments, what only the provider understands.
_LEEWAY_BYTES = 4 * 1024 * 1024


class RunSize:
    """What a run holds so far: the contents of its messages, and all of it."""

    def __init__(self) -> None:
        self._content_bytes = 0
        self._total_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the run, with its calls' arguments, may soon not be journaled as a whole."""
        return self._total_bytes > MAX_RUN_BYTES + _LEEWAY_BYTES

    def has_room_for(self, content: Content) -> bool:
        """Tell whether the run could still be journaled as a whole with this."""
        return self._content_bytes + len(to_json(content)) <= MAX_RUN_BYTES

    def count_content(self, content: Content) -> None:
        """Count what a message says, or is going to say."""
        self._content_bytes += len(to_json(content))

    def count_history(self, messages: Iterable[Message]) -> None:
        """Count messages of before the run that are journaled with its own."""
        for message in messages:
            self.count_content(message.content)
            self.count(message)

    def count(self, *records: BaseModel) -> None:
        """Count whole messages, and what the run holds beside them."""
        self._total_bytes += sum(len(to_json(record)) for record in records)
