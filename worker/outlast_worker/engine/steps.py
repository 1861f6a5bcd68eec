"""What the loop may do to the world: the `Steps` protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from outlast.contract import ClientResult, ConversationMark, RunOrder, SteeringMessage, WaitReport
from outlast.events import AnyEvent
from outlast.protocol import Approval, CallAnswer, ClientCall, Resolution, Run, Time
from outlast_worker.engine.budget_book import BudgetAnswer, Reservation, Settlement
from outlast_worker.engine.operations import Operation
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    DurableReport,
    ForkSource,
    Pin,
    StandIn,
    StoredMessage,
    ToolRecord,
)

T = TypeVar("T")


class Pending(Generic[T]):
    """Something that was begun and is not waited for yet. Compared by identity."""


@dataclass(frozen=True)
class ChildEnd:
    """How a called agent's run has ended.

    Attributes:
        run: What it says; of one that was killed what it had kept, if that is there.
    """

    run: Run | None
    was_killed: bool = False


@dataclass(frozen=True)
class Left:
    """What a run leaves to its thread.

    Attributes:
        items: What it adds to the conversation.
        stand_in: What models read in place of the first messages, of what the run has read and
            these; None if of all of them.
        tokens: About how long that is for them; None if nobody knows.
    """

    items: Sequence[StoredMessage]
    stand_in: StandIn | None = None
    tokens: int | None = None


class ThreadSteps(Protocol):
    """What a run does with its thread."""

    async def acquire(self) -> ConversationMark | None:
        """Wait until the run holds its thread.

        Returns:
            Which conversation it goes on with; None if that has to be read to be known.
        """
        ...

    async def read(self) -> list[StoredMessage]:
        """Return what was said on the thread, which the run holds, before it."""
        ...

    async def find_speaker(self) -> str | None:
        """Return to whom the thread, which the run holds, had runs of this agent handed over."""
        ...

    async def release(self, left: Left, at: Time) -> None:
        """Hold the thread no longer, with what the run adds to the conversation.

        The thread has it when this returns. It will have it, whatever cuts the wait.
        """
        ...

    def hold_up(self, *, waits: bool) -> None:
        """Tell the thread, which the run holds, that it waits for a person, or no longer."""
        ...


class BudgetSteps(Protocol):
    """What a run asks, and tells, those above it who allow it what it uses."""

    def reserve(self, reservation: Reservation) -> Pending[BudgetAnswer]:
        """Ask whether what limited runs above this one have left has room for a model call."""
        ...

    def expect_grant(self, turn: int, attempt: int) -> Pending[BudgetAnswer]:
        """Begin to wait for the word on a call that had to wait."""
        ...

    def settle(self, settlement: Settlement) -> None:
        """Say what such a call did use."""
        ...

    def close_run(self, run_id: str) -> None:
        """Say that a called run can't say any more what it has used of what it had reserved."""
        ...

    def close_account(self, account: str) -> None:
        """Say that nobody uses what this run has allowed any more."""
        ...


class Keeping(Protocol):
    """What a run keeps, for whoever asks."""

    def run(self, run: Run) -> None:
        """Keep the run as it is now."""
        ...

    def former_definition(self, pin: Pin, last_turn: int) -> None:
        """Keep the definition of an agent that has handed the run over."""
        ...

    def stand_in(self, turn: int, stand_in: StandIn) -> None:
        """Keep what models read from a turn on in place of what was said first."""
        ...

    def told(self, call_id: str, text: str) -> None:
        """Keep what the model is told of a call, where clients see less."""
        ...

    def approval(self, approval: Approval) -> None:
        """Keep an approval that waits from now on."""
        ...

    def resolution(self, resolution: Resolution) -> None:
        """Keep what an approval came to."""
        ...

    def client_call(self, call: ClientCall) -> None:
        """Keep a call that waits for a client from now on."""
        ...

    def answer(self, answer: CallAnswer) -> None:
        """Keep how a client's call ended."""
        ...


class Steps(Protocol):
    """An await may raise `Cancelled` or `StepFailed`; what is begun goes on until waited for."""

    @property
    def thread(self) -> ThreadSteps:
        """What the run does with its thread."""
        ...

    @property
    def budget(self) -> BudgetSteps:
        """What limited runs above this one allow."""
        ...

    @property
    def keep(self) -> Keeping:
        """What is kept of the run."""
        ...

    async def read_fork(self) -> ForkSource:
        """Return what the run goes on from, which is another one's fork."""
        ...

    def begin(self, operation: Operation[T]) -> Pending[T]:
        """Begin a step."""
        ...

    def expect_decision(self, approval_id: str) -> Pending[Resolution]:
        """Begin to wait for a person's decision."""
        ...

    def expect_result(self, call_id: str) -> Pending[ClientResult]:
        """Begin to wait for the result of a call that a client runs."""
        ...

    def expect_message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number; None closes the inbox."""
        ...

    def call_agent(self, order: RunOrder) -> Pending[ChildEnd]:
        """Begin a run of another agent, which a cancellation of this one reaches."""
        ...

    def expect_child_report(self, call_id: str, index: int) -> Pending[WaitReport]:
        """Begin to wait for this report of a called agent's run."""
        ...

    def report_wait(self, report: WaitReport) -> None:
        """Tell the run that has called this one that it waits, or goes on."""
        ...

    async def cancel_agent(self, child: Pending[ChildEnd], at: Time) -> None:
        """Cancel a called agent's run alone."""
        ...

    def call_durable(self, call: PlannedCall, signals: Sequence[str]) -> Pending[ToolRecord]:
        """Begin a durable tool's call, which takes these signals until it is closed."""
        ...

    async def cancel_durable(self, called: Pending[ToolRecord]) -> None:
        """Cancel a durable tool's call alone."""
        ...

    def close_durable(self, call_id: str) -> None:
        """Take no more signals for a durable tool's call."""
        ...

    def expect_report(self, call_id: str, index: int) -> Pending[DurableReport]:
        """Begin to wait for this report of a durable tool's call."""
        ...

    def start_timer(self, delay: timedelta) -> Pending[None]:
        """Begin a durable wait."""
        ...

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        ...

    async def result_of(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        ...

    async def close_decision(self, resolution: Resolution) -> Resolution:
        """End the wait for a decision; return the decision that was first."""
        ...

    async def close_result(self, result: ClientResult) -> ClientResult:
        """End the wait for a client's result; return the result that was first."""
        ...

    async def close_inbox(self, index: int) -> SteeringMessage | None:
        """Take no message of this number; return the one that came first, if there is one."""
        ...

    async def next_message(self, index: int) -> SteeringMessage | None:
        """Return the steering message of this number if it is there already."""
        ...

    def settle(self, segment: int, *, ended: bool) -> None:
        """Tell those who wait in this segment that the run has ended, or waits for a person."""
        ...

    async def partial_answer(self, turn: int) -> str:
        """Return the text that a model call which was broken off had streamed."""
        ...

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation, if it is known."""
        ...

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        ...

    def keep_definition(self, pin: Pin) -> None:
        """Keep the definition that counts from now on: what begins next is that agent's."""
        ...
