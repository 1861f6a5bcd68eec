"""What a durable tool does, on Restate: which steps and waits are journaled, in which order."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Literal

import restate
from pydantic import JsonValue
from restate import RestateDurableFuture, RunOptions, TerminalError, WorkflowContext

from outlast.errors import ToolStopped
from outlast.protocol import Time
from outlast.tool import AnyTool
from outlast_worker.deps import Dependencies
from outlast_worker.engine.names import TIME
from outlast_worker.engine.records import DurableReport
from outlast_worker.services import calls, promises
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.durable_calls import DurableOrder, NumberedReport
from outlast_worker.services.serde import JsonSerde, serde_of
from outlast_worker.services.suspend import suspending_after
from outlast_worker.stopwatch import tell_time
from outlast_worker.tools.durable import OutOfTime, Step, StepRecord, TryStep, try_step

# Shorter sleeps are not worth telling.
_TOLD_FROM = timedelta(seconds=2)
# Each is an entry in the run's journal, too.
_MAX_REPORTS = 1_000


class RestateJournal:
    """The `Journal` of one attempt at one durable call.

    Args:
        ctx: Of the call's own workflow.
        tool: What is carried out.
        order: The call.
        dependencies: Of the worker.
    """

    def __init__(
        self, ctx: WorkflowContext, tool: AnyTool, order: DurableOrder, dependencies: Dependencies
    ) -> None:
        self._ctx = ctx
        self._tool = tool
        self._order = order
        self._dependencies = dependencies
        self._late = ctx.sleep(tool.timeout)
        self._task = asyncio.current_task()
        self._reports = 0
        self._waits = False
        self._stopped: ToolStopped | None = None
        self._owner = f"{order.run_id}/{order.call_id}"

    async def step(
        self,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Call a function in a step of its own, and again while it fails and may be retried."""
        step = Step(self._tool, name, fn, args, kwargs)
        with self._going_on():
            if self._waits:
                await self._tell(None)
            attempt = 0
            record = await self._try(step)
            while (delay_s := step.retry_after_s(attempt, record)) is not None:
                await self._first({"done": self._ctx.sleep(timedelta(seconds=delay_s))})
                attempt += 1
                record = await self._try(step)
        return step.outcome_of(record)

    async def sleep(self, delay: timedelta) -> None:
        """Wait, without a place of Restate's."""
        with self._going_on():
            if delay >= _TOLD_FROM:
                await self._tell("timer", delay)
            await self._first({"done": self._ctx.sleep(delay)})

    async def wait_for_signal(self, name: str, timeout: timedelta | None) -> JsonValue:
        """Wait for the signal's promise.

        Raises:
            TimeoutError: It did not come in time.
        """
        if name not in self._tool.signals:
            raise ValueError(
                f"{self._tool.name} waits for the signal {name!r}, which nobody may send; "
                f"declare it: @tool(durable=True, signals=[{name!r}])"
            )
        promise = promises.signal(name)
        with self._going_on():
            if (given := await self._cancellable(promise.peek(self._ctx))) is not None:
                return given.value
            await self._tell("signal", timeout, name)
            awaited: dict[str, RestateDurableFuture[Any]] = {"given": promise.value(self._ctx)}
            if timeout is not None:
                awaited["nobody"] = self._ctx.sleep(timeout)
            which, given = await self._first(awaited)
        if which == "nobody":
            raise TimeoutError(f"the signal {name!r} did not come within {timeout}")
        return given.value

    async def _try(self, step: Step) -> StepRecord:
        operation, inflight = TryStep(step), self._dependencies.inflight
        serde: JsonSerde[StepRecord] = serde_of(StepRecord)

        async def execute() -> StepRecord:
            record = await try_step(self._dependencies.tools.attempts, step)
            serde.serialize(record)  # one that can't be written is a fault like any other
            return record

        async def closure() -> StepRecord:
            return await inflight.run(self._owner, operation, execute, self._order.above)

        future = self._ctx.run_typed(operation.step, closure, RunOptions(serde=serde))
        _, record = await self._first({"done": future}, in_process=True)
        if record.fault and record.fault.broken_off:
            raise self._stop(ToolStopped("The call was cancelled."))
        return record

    async def _tell(
        self,
        waits: Literal["signal", "timer"] | None,
        delay: timedelta | None = None,
        signal: str | None = None,
    ) -> None:
        """Tell the run that the call waits, or goes on."""
        if waits and self._reports + 2 > _MAX_REPORTS:
            return
        at = await self._cancellable(
            self._ctx.run_typed(TIME, tell_time, RunOptions[Time](serde=serde_of(Time)))
        )
        until = at + delay if delay else None
        report = DurableReport(at=at, waits=waits, signal=signal, until=until)
        numbered = NumberedReport(call_id=self._order.call_id, index=self._reports, report=report)
        prefix = self._dependencies.settings.service_prefix
        calls.REPORT.send(self._ctx, calls.caller_target(prefix, self._order), numbered)
        self._reports += 1
        self._waits = waits is not None

    async def _first(
        self, awaited: Mapping[str, RestateDurableFuture[Any]], *, in_process: bool = False
    ) -> tuple[str, Any]:
        """Wait for the first of these, for as long as the call has time."""
        patience_s = self._dependencies.settings.suspend_after_s
        with nullcontext() if in_process else suspending_after(self._ctx, patience_s):
            which, value = await self._cancellable(restate.select(late=self._late, **awaited))
        if which == "late":
            text = f"The tool {self._tool.name} did not finish within {self._tool.timeout}."
            raise self._stop(OutOfTime(text))
        return which, value

    async def _cancellable(self, awaitable: Any) -> Any:
        try:
            return await awaitable
        except TerminalError as error:
            if not is_own_cancellation(error):
                raise
            raise self._stop(ToolStopped("The call was cancelled.")) from error

    def _stop(self, stopped: ToolStopped) -> ToolStopped:
        # The closure would go on to its end, since only the wait for it was cut.
        self._dependencies.inflight.drop(self._owner)
        self._stopped = stopped
        return stopped

    @contextmanager
    def _going_on(self) -> Generator[None]:
        """Refuse what would not replay, and what comes after the end."""
        if self._stopped:
            raise self._stopped
        if asyncio.current_task() is not self._task:
            raise RuntimeError(
                f"{self._tool.name} does things side by side; a durable tool awaits its context's "
                "steps, sleeps and signals one after the other, in its own task"
            )
        yield
