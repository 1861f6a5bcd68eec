"""Answers that have to be something: each is read, and the model is told what is wrong with it."""

from collections.abc import Sequence

from pydantic import JsonValue

from outlast.events import OutputRejected
from outlast.protocol import RunError
from outlast_worker.engine.exceptions import RunFailed
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import CheckOutput
from outlast_worker.engine.records import PinnedOutput
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps


class Outputs:
    """Reads a run's answers.

    Attributes:
        value: The output, once an answer was accepted.
    """

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._steps = steps
        self._state = state
        self._inbox = inbox
        self._rejected = 0
        self.value: JsonValue = None

    async def accept(self, pinned: PinnedOutput, turn: int, text: str) -> bool:
        """Read an answer; False if the model has been told to answer again.

        Raises:
            RunFailed: It was told so as often as the agent allows.
        """
        reading = self._steps.begin(CheckOutput(turn, text, pinned))
        check = await self._inbox.result_of(reading)
        self._state.advance_clock(check.at)
        if check.faults is None:
            self.value = check.output
            return True
        if self._rejected >= pinned.retries:
            raise RunFailed(_invalid(check.faults, self._rejected + 1))
        self._rejected += 1
        message = self._state.conversation.add("user", _advice(check.faults))
        self._state.emit(OutputRejected, turn=turn, faults=check.faults, message=message.public())
        return False


def _advice(faults: Sequence[str]) -> str:
    listed = "\n".join(f"- {fault}" for fault in faults)
    return (
        "Your answer is not what it has to be:\n"
        f"{listed}\n"
        "Answer again, with the whole of it and nothing else."
    )


def _invalid(faults: Sequence[str], answers: int) -> RunError:
    message = (
        f"The model's answer was not what it has to be, {answers} times; the last time: "
        f"{'; '.join(faults)}. Give it more output_retries, clearer instructions or another model."
    )
    return RunError(type="output-invalid", message=message, retryable=True)
