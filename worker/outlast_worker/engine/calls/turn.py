"""One turn's calls: what each of them came to, as the model and watchers are told."""

from functools import partial

from outlast.events import ToolCallCompleted, ToolCallStarted
from outlast.protocol import Content, Usage
from outlast_worker.engine.approvals import Approvals
from outlast_worker.engine.hooks import CallHooks
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.questions import Questions
from outlast_worker.engine.records import ToolRecord
from outlast_worker.engine.run_size import MAX_RUN_BYTES
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps
from outlast_worker.engine.waits import Waits


class Turn:
    """What kinds of calls may use of their turn: they begin, wait and end by it.

    Attributes:
        waits: What the turn waits for; what is added here is waited for with all the rest.
        questions: What is asked of somebody outside: expiry and withdrawal included.
        approvals: The same for people.
    """

    def __init__(self, steps: Steps, state: RunState, waits: Waits, hooks: CallHooks) -> None:
        self.steps = steps
        self.state = state
        self.waits = waits
        self.questions = Questions(steps, state, waits)
        self.approvals = Approvals(steps, state, self.questions)
        self._hooks = hooks
        self._records: dict[str, ToolRecord] = {}

    def record_of(self, call: PlannedCall) -> ToolRecord | None:
        """Return what came of a call; None while it goes on."""
        return self._records.get(call.call_id)

    def tell_start(self, call: PlannedCall) -> None:
        """Tell that a call is carried out from now on."""
        self.state.emit(
            ToolCallStarted,
            turn=call.turn,
            call_id=call.call_id,
            name=call.name,
            arguments=dict(call.arguments),
        )

    def complete(self, call: PlannedCall, record: ToolRecord) -> None:
        """End a call that was carried out."""
        self.state.change(usage=self.state.run.usage + Usage(tool_calls=1, cost_usd=0.0))
        self._hooks.after(call, record, partial(self._end, call, began=True))

    def refuse(self, call: PlannedCall, record: ToolRecord) -> None:
        """End a call that was not carried out, with the reason for the model."""
        self._end(call, record, began=False)

    def leave(self, call: PlannedCall, record: ToolRecord) -> None:
        """Keep what a call came to in a run that was cancelled: for the conversation alone."""
        self._records[call.call_id] = record

    def _end(self, call: PlannedCall, record: ToolRecord, *, began: bool) -> None:
        size = self.state.size
        if not size.has_room_for(_said(record)):
            left_out = {"output": _omission(call), "told": None, "is_error": True, "parts": None}
            record = record.model_copy(update={**left_out, "error_type": "too_large"})
        size.count_content(_said(record))
        self._records[call.call_id] = record
        self.state.advance_clock(record.ended_at)
        self.state.emit(
            ToolCallCompleted,
            call_id=call.call_id,
            name=call.name,
            is_error=record.is_error,
            output=record.output,
            parts=record.parts,
            duration_ms=record.duration_ms,
            started_at=record.started_at if began else None,
            error_type=record.error_type,
        )


def _said(record: ToolRecord) -> Content:
    return record.parts or record.output + (record.told or "")


def _omission(call: PlannedCall) -> str:
    return (
        f"The result of {call.name} is left out: the run has reached its limit of "
        f"{MAX_RUN_BYTES} bytes. Answer with what you know."
    )
