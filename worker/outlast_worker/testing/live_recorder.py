"""Writes down the previews of a run that nobody watches."""

from dataclasses import dataclass

from outlast.events import (
    AnyLiveEvent,
    MessageDelta,
    MessageReset,
    ReasoningDelta,
    ToolCallProgress,
)
from outlast.tool_context import ProgressReport
from outlast_worker.models.hearing import PieceKind


class LiveRecorder:
    """The live events of one run, all of them: the worker's own hub shows them in heaps."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._attempts = 0
        self.events: list[AnyLiveEvent] = []

    def preview(self, turn: int) -> "RecordedPreview":
        """Begin a model's answer."""
        self._attempts += 1
        reset = MessageReset(run_id=self._run_id, turn=turn, attempt=self._attempts)
        self.events.append(reset)
        return RecordedPreview(self, reset)

    def reporter(self, call_id: str) -> ProgressReport:
        """Return what a tool calls, from any thread, to say how far it is."""

        def report(done: float, total: float | None, message: str | None) -> None:
            self.events.append(
                ToolCallProgress(
                    run_id=self._run_id, call_id=call_id, done=done, total=total, message=message
                )
            )

        return report


@dataclass
class RecordedPreview:
    """One model call's answer as it grows."""

    recorder: LiveRecorder
    reset: MessageReset
    n: int = 0

    def add(self, kind: PieceKind, piece: str) -> None:
        """Write down a piece."""
        delta = MessageDelta if kind == "text" else ReasoningDelta
        self.recorder.events.append(
            delta(**self.reset.model_dump(exclude={"type"}), n=self.n, text=piece)
        )
        self.n += 1

    def end(self) -> None:
        """Have nothing that waits."""
