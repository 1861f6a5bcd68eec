"""What is kept of a run in memory: what its test asks for."""

from outlast.protocol import Approval, CallAnswer, ClientCall, Resolution, Run
from outlast_worker.engine.records import Pin, StandIn


class MemoryKeeping:
    """The `Keeping` of one run.

    Attributes:
        approvals: By id, for when their decisions are expected.
        client_calls: By id, for when their results are expected.
        texts_told: What the model is told of calls, where the events say less.
    """

    def __init__(self) -> None:
        self.approvals: dict[str, Approval] = {}
        self.client_calls: dict[str, ClientCall] = {}
        self.texts_told: dict[str, str] = {}

    def run(self, run: Run) -> None:
        """Have nobody who asks before its end."""

    def former_definition(self, pin: Pin, last_turn: int) -> None:
        """Have nobody who looks behind the run."""

    def stand_in(self, turn: int, stand_in: StandIn) -> None:
        """Have nobody who looks behind the run."""

    def told(self, call_id: str, text: str) -> None:
        """Keep what the model is told of a call."""
        self.texts_told[call_id] = text

    def approval(self, approval: Approval) -> None:
        """Keep an approval."""
        self.approvals[approval.id] = approval

    def resolution(self, resolution: Resolution) -> None:
        """Have nobody who asks what an approval came to."""

    def client_call(self, call: ClientCall) -> None:
        """Keep a client's call."""
        self.client_calls[call.call_id] = call

    def answer(self, answer: CallAnswer) -> None:
        """Have nobody who asks how a call ended."""
