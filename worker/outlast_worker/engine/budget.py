"""What runs below a limited one may use together: asked before each of their model calls.

A run that has a limit in tokens or US dollars, and calls agents, allows them what it has left. The
runs below it work at the same time, so each reserves what its next call may use at most, and says
afterwards what it did use. While all that is left is reserved, others wait. So a limit is passed
by no more than the call that was let in last.
"""

from pydantic_core import to_json

from outlast.contract import RunOrder
from outlast.protocol import NOTHING_USED
from outlast_worker.engine.budget_book import Reservation, Settlement
from outlast_worker.engine.exceptions import RunStopped
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import Cut, ModelFault, ModelRecord
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps

# A call whose agent sets no `max_output_tokens`.
_USUAL_OUTPUT_TOKENS = 16 * 1024
_MILLION = 1_000_000


class Budget:
    """What one run may use of what those above it allow; nothing is asked where they don't."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._book = steps.budget
        self._state = state
        self._inbox = inbox

    async def reserve(self, call: ModelCall, attempt: int) -> None:
        """Wait until a call may be made.

        Args:
            call: The call.
            attempt: Counts all calls of its turn.

        Raises:
            RunStopped: Nothing is left.
        """
        order = self._state.order
        if not order.allowances:
            return
        asking = self._book.reserve(make_reservation(order, call, attempt))
        answer = await self._inbox.result_of(asking)
        if answer.outcome == "waits":
            self._state.wait_for_budget()
            answer = await self._inbox.result_of(self._book.expect_grant(call.turn, attempt))
            self._state.change(waiting=None)
        if answer.outcome == "refused":
            raise RunStopped(answer.reason or "max_tokens")

    def settle(
        self, call: ModelCall, attempt: int, outcome: ModelRecord | ModelFault | Cut
    ) -> None:
        """Say what a call did use."""
        order = self._state.order
        if not order.allowances:
            return
        used = None if isinstance(outcome, ModelFault) else outcome.usage
        used = used or NOTHING_USED
        self._book.settle(
            Settlement(
                run_id=order.run_id,
                turn=call.turn,
                attempt=attempt,
                tokens=used.input_tokens + used.output_tokens,
                cost_usd=used.cost_usd,
            )
        )


def make_reservation(order: RunOrder, call: ModelCall, attempt: int) -> Reservation:
    """Say what a call may use at most: no token is shorter than a byte."""
    prompt = _bytes_read(call) + len(call.pin.instructions.encode())
    prompt += sum(len(to_json(tool)) for tool in call.pin.tools)
    output = call.settings.max_output_tokens or _USUAL_OUTPUT_TOKENS
    price = (call.pin.prices or {}).get(call.model)
    cost = price and (prompt * price.input + output * price.output) / _MILLION
    return Reservation(
        run_id=order.run_id,
        above=order.above or [],
        turn=call.turn,
        attempt=attempt,
        allowances=order.allowances or [],
        tokens=prompt + output,
        cost_usd=cost,
    )


def _bytes_read(call: ModelCall) -> int:
    """Return how long the conversation is at most that the model reads."""
    before, said = call.unread, call.messages
    unread = before.bytes if before else 0
    if call.stand_in:
        unread_messages = before.messages if before else 0
        if call.stand_in.covers >= unread_messages:
            unread = 0
        said = [call.stand_in.message, *said[max(call.stand_in.covers - unread_messages, 0) :]]
    return unread + sum(len(to_json(message)) for message in said)
