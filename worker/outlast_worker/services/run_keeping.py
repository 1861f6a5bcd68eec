"""What a run writes into its state on Restate, for whoever asks."""

from typing import Any

from restate import WorkflowContext

from outlast.protocol import Approval, CallAnswer, ClientCall, Resolution, Run
from outlast_worker.engine.records import Pin, StandIn
from outlast_worker.services import state


class RestateKeeping:
    """The `Keeping` of one attempt at one run.

    Attributes:
        saved: The run as it was kept last.
    """

    def __init__(self, ctx: WorkflowContext) -> None:
        self._ctx = ctx
        self.saved: Run | None = None

    def run(self, run: Run) -> None:
        """Keep the run as it is now, without what has keys of its own."""
        self.saved = run
        elsewhere: dict[str, Any] = {"metadata": {}, "approvals": [], "calls": []}
        state.RUN.set(self._ctx, run.model_copy(update=elsewhere))

    def former_definition(self, pin: Pin, last_turn: int) -> None:
        """Keep a definition that has counted, for who may look behind the run."""
        state.former_definition(last_turn).set(self._ctx, pin)

    def stand_in(self, turn: int, stand_in: StandIn) -> None:
        """Keep what models read in place of what was said first, for who may look behind it."""
        state.stand_in(turn).set(self._ctx, stand_in)

    def told(self, call_id: str, text: str) -> None:
        """Keep what the model is told of a call, where clients see less."""
        state.told(call_id).set(self._ctx, text)

    def approval(self, approval: Approval) -> None:
        """Keep an approval that waits from now on, so that it is found among those of all runs."""
        state.approval(approval.id).set(self._ctx, approval)
        state.pending(approval.id).set(self._ctx, approval.requested_at)

    def resolution(self, resolution: Resolution) -> None:
        """Keep what an approval came to."""
        state.resolution(resolution.id).set(self._ctx, resolution)
        state.pending(resolution.id).clear(self._ctx)

    def client_call(self, call: ClientCall) -> None:
        """Keep a call that waits for a client, so that it is found among those of all runs."""
        state.client_call(call.call_id).set(self._ctx, call)
        state.open_call(call.call_id).set(self._ctx, call.requested_at)

    def answer(self, answer: CallAnswer) -> None:
        """Keep how a client's call ended."""
        state.call_answer(answer.call_id).set(self._ctx, answer)
        state.open_call(answer.call_id).clear(self._ctx)
