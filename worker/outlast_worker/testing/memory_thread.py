"""A run's thread in memory: nobody else is on it."""

from collections.abc import Sequence

from outlast.contract import ConversationMark
from outlast.protocol import Time
from outlast_worker.engine.records import StoredMessage
from outlast_worker.engine.speakers import speakers_in
from outlast_worker.engine.steps import Left


class MemoryThread:
    """The `ThreadSteps` of one run.

    Args:
        history: What was said on the thread before.
        agent: Whose run it is.

    Attributes:
        left: What the next run on the thread reads, if the run is on one.
    """

    def __init__(self, history: Sequence[StoredMessage], agent: str) -> None:
        self._history = list(history)
        self._agent = agent
        self.left: list[StoredMessage] | None = None

    async def acquire(self) -> ConversationMark | None:
        """Hold the thread, which nobody else does."""
        return None

    async def read(self) -> list[StoredMessage]:
        """Return the conversation so far."""
        return self._history

    async def find_speaker(self) -> str | None:
        """Return who took over in the conversation so far."""
        return speakers_in(self._history).get(self._agent)

    async def release(self, left: Left, at: Time) -> None:  # noqa: ARG002  # nobody waits
        """Keep what the next run on the thread would read."""
        said = [*self._history, *left.items]
        self.left = left.stand_in.apply(said) if left.stand_in else said

    def hold_up(self, *, waits: bool) -> None:
        """Have nobody in line."""
