"""The loop's steps in memory: real tools and a real model client, without Restate.

Nothing here sleeps. Time stands still while nothing is in flight, and then goes on at the next
timer: an approval that expires after eight hours does so at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import JsonValue, TypeAdapter
from pydantic_core import PydanticSerializationError

from outlast.contract import ClientResult, RunOrder, SteeringMessage, WaitReport
from outlast.events import AnyEvent
from outlast.protocol import InputMessage, Resolution, Run, Time
from outlast_worker.engine.operations import AskModel, Operation
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    DurableReport,
    ForkSource,
    Pin,
    Record,
    StoredMessage,
    ToolRecord,
)
from outlast_worker.engine.steps import ChildEnd, Pending
from outlast_worker.execution import Execution
from outlast_worker.testing.budget import MemoryBudget, MemoryBudgetSteps
from outlast_worker.testing.client_results import ClientResults
from outlast_worker.testing.decisions import Decisions
from outlast_worker.testing.durable import call_in_memory
from outlast_worker.testing.memory_keeping import MemoryKeeping
from outlast_worker.testing.memory_thread import MemoryThread

T = TypeVar("T")
_TIMES = ("at", "started_at", "ended_at")


@dataclass(eq=False)
class _Step(Pending[Any]):
    task: asyncio.Task[Any]


@dataclass(eq=False)
class _Timer(Pending[None]):
    due: Time


@dataclass(eq=False)
class _Decision(Pending[Resolution]):
    resolution: Resolution | None


@dataclass(eq=False)
class _Result(Pending[ClientResult]):
    result: ClientResult | None


@dataclass(eq=False)
class _Message(Pending[SteeringMessage | None]):
    index: int


@dataclass(eq=False)
class _Never(Pending[Any]):
    """Something that does not happen in a test."""


class MemorySteps:
    """The `Steps` of one run.

    Args:
        execution: Does what operations say.
        decisions: What people decide, at once when they are asked.
        results: What clients send, at once when they are asked.
        steering: What they say while the model is asked in the turn of this number.
        history: What was said on the thread before.
        run_child: Runs an agent that is called.
        signals: What is sent to durable tools, by name.
        budget: Of the tree of runs that this one is in.
    """

    def __init__(
        self,
        execution: Execution,
        decisions: Decisions,
        results: ClientResults,
        steering: Mapping[int, Sequence[str]],
        history: Sequence[StoredMessage],
        run_child: Callable[[RunOrder], Awaitable[Run]],
        signals: Mapping[str, JsonValue] | None = None,
        budget: MemoryBudget | None = None,
    ) -> None:
        self._execution = execution
        self._decisions = decisions
        self._results = results
        self._unsaid = {turn: list(said) for turn, said in steering.items()}
        self._run_child = run_child
        self._signals = signals or {}
        self._heard: list[SteeringMessage] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._skipped = timedelta(0)
        self.events: list[AnyEvent] = []
        self.thread = MemoryThread(history, execution.order.agent)
        self.keep = MemoryKeeping()
        self.budget = MemoryBudgetSteps(budget or MemoryBudget(), self._begin_task)

    @property
    def spare(self) -> str | None:
        """What nobody could say, since the run ended before."""
        if not self._unsaid:
            return None
        turns = ", ".join(str(turn) for turn in self._unsaid)
        return f"it never came to turn {turns} of `steering={{…}}`."

    async def stop(self) -> None:
        """Cancel what is still in flight."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def read_fork(self) -> ForkSource:
        """Find nothing: runs in memory are nobody's forks."""
        return ForkSource()

    def begin(self, operation: Operation[T]) -> Pending[T]:
        """Begin a step beside the others."""
        self._hear_during(operation)
        return self._begin_task(self._execute(operation), operation.step)

    def expect_decision(self, approval_id: str) -> Pending[Resolution]:
        """Ask the test for its decision; one that expires never comes."""
        approval = self.keep.approvals[approval_id]
        decision = self._decisions.on(approval)
        if decision is None:
            return _Decision(None)
        return _Decision(
            Resolution(
                call_id=approval.call_id,
                approval_id=approval.approval_id,
                at=self._now(),
                **decision.model_dump(),
            )
        )

    def expect_result(self, call_id: str) -> Pending[ClientResult]:
        """Ask the test for a client's result; one that expires never comes."""
        return _Result(self._results.of(self.keep.client_calls[call_id], self._now()))

    def expect_message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number."""
        return _Message(index)

    def call_agent(self, order: RunOrder) -> Pending[ChildEnd]:
        """Run an agent beside whatever else goes on."""

        async def run() -> ChildEnd:
            try:
                return ChildEnd(await self._run_child(order))
            except asyncio.CancelledError:  # by `cancel_agent`: what is left of it is its end
                return ChildEnd(None)

        return self._begin_task(run(), order.agent)

    def expect_child_report(self, call_id: str, index: int) -> Pending[WaitReport]:  # noqa: ARG002  # none comes
        """Hear of no waits: people decide at once."""
        return _Never()

    def report_wait(self, report: WaitReport) -> None:
        """Have nobody who has to know."""

    async def cancel_agent(self, child: Pending[ChildEnd], at: Time) -> None:  # noqa: ARG002  # the task ends at once
        """Cut a called agent's run off."""
        cast("_Step", child).task.cancel()

    def call_durable(self, call: PlannedCall, signals: Sequence[str]) -> Pending[ToolRecord]:  # noqa: ARG002  # the test sends what it sends
        """Begin a durable tool's call beside the others."""
        return self._begin_task(call_in_memory(self._execution, call, self._signals), call.name)

    async def cancel_durable(self, called: Pending[ToolRecord]) -> None:
        """Cut the call off."""
        cast("_Step", called).task.cancel()

    def close_durable(self, call_id: str) -> None:
        """Have nobody who sends signals."""

    def expect_report(self, call_id: str, index: int) -> Pending[DurableReport]:  # noqa: ARG002  # none comes
        """Hear of no waits: they take no time."""
        return _Never()

    def start_timer(self, delay: timedelta) -> Pending[None]:
        """Begin a wait that takes no time."""
        return _Timer(self._now() + delay)

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        while not (done := [item for item in pending if self._is_done(item)]):
            if tasks := [item.task for item in pending if isinstance(item, _Step)]:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            else:
                self._skip_to(min(item.due for item in pending if isinstance(item, _Timer)))
        return done

    async def result_of(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        kept: Any = pending
        match kept:
            case _Step():
                return await kept.task
            case _Decision():
                return cast("T", kept.resolution)
            case _Result():
                return cast("T", kept.result)
            case _Message():
                return cast("T", self._heard[kept.index])
            case _:
                return cast("T", None)

    async def close_decision(self, resolution: Resolution) -> Resolution:
        """End the wait for a decision: none came."""
        return resolution

    async def close_result(self, result: ClientResult) -> ClientResult:
        """End the wait for a client's result: none came."""
        return result

    async def close_inbox(self, index: int) -> SteeringMessage | None:
        """Take no message of this number; return the one that came first, if there is one."""
        return await self.next_message(index)

    async def next_message(self, index: int) -> SteeringMessage | None:
        """Return the steering message of this number if it is there already."""
        return self._heard[index] if index < len(self._heard) else None

    def settle(self, segment: int, *, ended: bool) -> None:
        """Have nobody who waits."""

    async def partial_answer(self, turn: int) -> str:  # noqa: ARG002  # no call is broken off
        """Return nothing: only a cancelled run asks."""
        return ""

    async def cancelled_at(self) -> Time | None:
        """Return nothing: nobody cancels."""
        return None

    def emit(self, event: AnyEvent) -> None:
        """Write an event down."""
        self.events.append(event)

    def keep_definition(self, pin: Pin) -> None:
        """Execute what follows as the agent whose definition it is."""
        self._execution = self._execution.played_by(pin.agent)

    def _is_done(self, pending: Pending[Any]) -> bool:
        match pending:
            case _Step(task):
                return task.done()
            case _Never():
                return False
            case _Timer(due):
                return due <= self._now()
            case _Decision(resolution):
                return resolution is not None
            case _Result(result):
                return result is not None
            case _Message(index):
                return index < len(self._heard)
            case _:
                raise TypeError(f"nobody waits for {pending!r}")

    def _begin_task(self, doing: Coroutine[Any, Any, Any], name: str) -> _Step:
        task = asyncio.create_task(doing, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _Step(task)

    async def _execute(self, operation: Operation[T]) -> T:
        skipped = self._skipped
        record = _later(await self._execution.execute(operation), skipped)
        try:
            return _as_journaled(operation, record)
        except PydanticSerializationError as error:
            return operation.crashed(error, self._now())

    def _hear_during(self, operation: Operation[Any]) -> None:
        turn = operation.call.turn if isinstance(operation, AskModel) else 0
        for said in self._unsaid.pop(turn, ()):
            self._heard.append(
                SteeringMessage(
                    message_id=f"in.{len(self._heard)}",
                    input=[InputMessage(role="user", content=said)],
                    at=self._now(),
                )
            )

    def _now(self) -> Time:
        return datetime.now(UTC) + self._skipped

    def _skip_to(self, due: Time) -> None:
        self._skipped += max(due - self._now(), timedelta(0))


def _later(record: Any, skipped: timedelta) -> Any:
    """Move a record's times on: those who make records know nothing of skipped time."""
    times = {name: getattr(record, name) for name in _TIMES if hasattr(record, name)}
    return cast("Record", record).model_copy(
        update={name: at + skipped for name, at in times.items()}
    )


def _as_journaled(operation: Operation[T], record: T) -> T:
    """Write a record and read it again: the loop sees nothing that a journal would not keep."""
    adapter = _adapter(type(operation))
    return cast("T", adapter.validate_json(adapter.dump_json(record)))


@cache
def _adapter(kind: type[Operation[Any]]) -> TypeAdapter[Any]:
    return TypeAdapter(kind.record)
