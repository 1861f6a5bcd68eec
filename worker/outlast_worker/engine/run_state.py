"""What a run has become: its state, its messages, its events. It decides nothing."""

from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from outlast.contract import RunOrder
from outlast.events import AnyEvent, terminal_event
from outlast.protocol import Content, Run, RunStatus, Time
from outlast_worker.engine.records import StoredMessage
from outlast_worker.engine.steps import Steps

# A run's messages are one journal entry when it returns, and the request of `Thread.finish`.
# Restate caps those at 32 MiB and handles them within as much memory.
MAX_RUN_BYTES = 16 * 1024 * 1024
# What comes with the contents: names, arguments, what only the provider understands.
_LEEWAY_BYTES = 4 * 1024 * 1024


class Progress:
    """One run so far. Its time is that of the last step."""

    def __init__(self, steps: Steps, order: RunOrder) -> None:
        self._steps = steps
        self._order = order
        self._seq = 0
        self._bytes = 0
        self._total_bytes = 0
        self.now = order.created_at
        self.messages: list[StoredMessage] = []
        self.run = Run(
            run_id=order.run_id,
            agent=order.agent,
            thread_id=order.thread_id,
            status="queued",
            metadata=order.metadata,
            created_at=order.created_at,
        )

    def reach(self, at: Time) -> None:
        """Note that something ended at this time; steps side by side end in any order."""
        self.now = max(self.now, at)

    def change(self, **changes: Any) -> None:
        """Change the run, to be seen with the next save."""
        self.run = self.run.model_copy(update=changes)

    def become(self, status: RunStatus, **changes: Any) -> None:
        """Change the status, for everybody to see."""
        self.change(status=status, **changes)
        self.save()

    def save(self) -> None:
        """Show the run as it is now."""
        self._steps.save(self.run)

    def emit(self, kind: type[AnyEvent], **fields: Any) -> None:
        """Commit the next event."""
        self._seq += 1
        self._steps.emit(kind(run_id=self._order.run_id, seq=self._seq, **fields))

    def say(
        self, role: str, content: Content, *, message_id: str | None = None, **fields: Any
    ) -> StoredMessage:
        """Add a message to the conversation."""
        message = StoredMessage.model_validate(
            {
                "id": message_id or f"{self._order.run_id}:{len(self.messages) + 1}",
                "role": role,
                "content": content,
                "run_id": self._order.run_id,
                "created_at": self.now,
                **fields,
            }
        )
        if role == "assistant":  # others were counted by `fits` as they came
            self._bytes += len(to_json(content))
        self._total_bytes += len(to_json(message))
        self.messages.append(message)
        return message

    @property
    def is_full(self) -> bool:
        """Whether all that was said, with the calls' arguments, may soon not be journaled."""
        return self._total_bytes > MAX_RUN_BYTES + _LEEWAY_BYTES

    def fits(self, content: Content) -> bool:
        """Count what is added; False if the run could no longer be journaled as a whole with it."""
        self._bytes += len(to_json(content))
        return self._bytes <= MAX_RUN_BYTES

    def weigh(self, *parts: BaseModel) -> None:
        """Count what the run holds beside its messages."""
        self._total_bytes += sum(len(to_json(part)) for part in parts)

    def end(self) -> Run:
        """Commit the end. Nothing here is awaited, so no second cancellation can cut it."""
        self.change(waiting_for=None, engine=None, ended_at=self.now)
        self._seq += 1
        self._steps.emit(terminal_event(self.run, self._seq))
        self.save()
        if self._order.thread_id:
            # The thread takes nothing from a run that never had the turn: that leaves the line.
            self._steps.leave_thread(self.messages, self.now)
        return self.run.model_copy(update={"messages": [m.public() for m in self.messages]})
