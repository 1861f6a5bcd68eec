"""Pins a definition; where a tool server is away, again, for as long as that may help."""

from datetime import timedelta
from itertools import count
from typing import TypeVar

from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import Operation
from outlast_worker.engine.records import HandoffOutcome, PinFailure
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps

O = TypeVar("O", bound=HandoffOutcome)  # noqa: E741  # what it comes to
_LONGEST_DELAY_S = 60.0
_DOUBLINGS = 5


class Pinning:
    """Makes the definitions of one run."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._steps = steps
        self._state = state
        self._inbox = inbox

    async def pin(self, operation: Operation[O]) -> O:
        """Return the definition, or why there is none."""
        waited_s = 0.0
        for attempt in count(1):
            outcome = await self._inbox.result_of(self._steps.begin(operation))
            self._state.advance_clock(outcome.at)
            delay_s = _LONGEST_DELAY_S if attempt > _DOUBLINGS else 2.0**attempt
            if not isinstance(outcome, PinFailure) or waited_s + delay_s > (
                outcome.retry_for_s or 0
            ):
                if attempt > 1:
                    self._state.change(engine=None, waiting=None)
                return outcome
            delay = timedelta(seconds=delay_s)
            self._state.wait_for_tool_server(attempt, outcome.error, delay)
            await self._inbox.wait(self._steps.start_timer(delay))
            waited_s += delay_s
        raise AssertionError("unreachable")
