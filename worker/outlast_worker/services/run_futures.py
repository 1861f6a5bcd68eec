"""What a run has begun on Restate: how it is waited for, and what comes of it."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import restate
from restate import RestateDurableCallFuture, RestateDurableFuture, TerminalError, WorkflowContext

from outlast.contract import StatusQuestion
from outlast.protocol import Time
from outlast_worker.deps import Dependencies
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.records import ToolRecord
from outlast_worker.engine.steps import ChildEnd, Pending
from outlast_worker.services import calls
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.suspend import suspending_after, suspending_soon

T = TypeVar("T")
Wait = Callable[[Awaitable[Any]], Awaitable[Any]]


class RunFuture(Pending[T], ABC):
    """Something begun, with Restate's future of it."""

    future: Any
    """Restate's own, of one kind or another."""

    @abstractmethod
    async def result(self, wait: Wait) -> T:
        """Return what came of it, now that it is done."""


@dataclass(eq=False)
class Begun(RunFuture[T]):
    """A step, a promise or a timer.

    Attributes:
        in_process: Whether a closure in this process completes it.
        when_read: Is called when what came of it is known, and so is journaled.
    """

    future: RestateDurableFuture[T]
    in_process: bool = False
    when_read: Callable[[], None] | None = None

    async def result(self, wait: Wait) -> T:
        """Return it."""
        result = await wait(self.future)
        if self.when_read:
            self.when_read()
        return result


@dataclass(eq=False)
class Asked(RunFuture[T]):
    """A handler that was called."""

    future: RestateDurableCallFuture[bytes]
    read: Callable[[bytes], T]

    async def result(self, wait: Wait) -> T:
        """Return its answer."""
        return self.read(await wait(self.future))


@dataclass(eq=False)
class CalledTool(RunFuture[ToolRecord]):
    """The handler of a durable tool's call."""

    future: RestateDurableCallFuture[bytes]
    began_at: Time

    async def result(self, wait: Wait) -> ToolRecord:
        """Return what the call came to."""
        try:
            return calls.CALL_TOOL.read(await wait(self.future))
        except StepFailed as failed:  # somebody killed it in Restate
            text = f"The call was ended from outside: {failed}. It may have run in part."
            return ToolRecord.failed(text, "stopped", self.began_at)


@dataclass(eq=False)
class CalledAgent(RunFuture[ChildEnd]):
    """The run of an agent that was called."""

    future: RestateDurableCallFuture[bytes]
    ctx: WorkflowContext
    target: calls.Target
    run_id: str

    async def result(self, wait: Wait) -> ChildEnd:
        """Return how it has ended; one that was killed can't say what it has used."""
        try:
            return ChildEnd(calls.RUN.read(await wait(self.future)))
        except StepFailed:
            asked = calls.STATUS.call(self.ctx, self.target, StatusQuestion(killed=True))
        try:
            return ChildEnd(await wait(asked), was_killed=True)
        except StepFailed:
            return ChildEnd(None, was_killed=True)


class RunFutures:
    """Waits for them, in one attempt at one run; every await of the run's goes through `wait`."""

    def __init__(self, ctx: WorkflowContext, run_id: str, dependencies: Dependencies) -> None:
        self._ctx = ctx
        self._run_id = run_id
        self._dependencies = dependencies

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Await something of Restate's.

        Raises:
            Cancelled: The run was.
            StepFailed: Restate refuses it for good.
        """
        with self._cancellable():
            return await awaitable

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        begun = {item.future: item for item in pending if isinstance(item, RunFuture)}
        with self._suspending(list(begun.values())):
            done, _ = await self.wait(restate.wait_completed(*begun))
        return [begun[future] for future in done]

    async def result_of(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        return await cast("RunFuture[T]", pending).result(self.wait)

    def _suspending(self, pending: Sequence[RunFuture[Any]]) -> AbstractContextManager[None]:
        """Suspend the run, unless a closure in this process would be lost by that."""
        if any(isinstance(item, Begun) and item.in_process for item in pending):
            return nullcontext()
        if not all(isinstance(item, Begun) for item in pending):
            return suspending_soon(self._ctx)
        return suspending_after(self._ctx, self._dependencies.settings.suspend_after_s)

    @contextmanager
    def _cancellable(self) -> Generator[None]:
        """Turn Restate's terminal errors into the loop's, and stop what is in flight."""
        try:
            yield
        except TerminalError as error:
            if not is_own_cancellation(error):
                raise StepFailed(error.message, error.status_code) from error
            # The closures would go on to the end, since only the wait for them was cut.
            self._dependencies.inflight.drop(self._run_id)
            raise Cancelled from error
