"""How a run is started, and waited for until it ends or waits for a person."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from outlast.contract import MAX_IN_LINE, RunOrder, SubmitAnswer
from outlast.errors import (
    BadGateway,
    IdempotencyConflict,
    OperatorProblem,
    RestateUnavailable,
    RunEnded,
    ThreadBusy,
    ThreadFull,
    ThreadMoved,
    UnknownRun,
    WorkerUnavailable,
)
from outlast.names import RunRef, ThreadRef
from outlast.protocol import SETTLING, Run, preview_of
from outlast.registry import Registry
from outlast.webhooks import WebhookPolicy
from outlast_app.restate.ingress import Ingress, maybe_accepted
from outlast_app.restate.outcomes import Broken, Ended, Outcome, Pending, Repeated, Unknown
from outlast_app.runs.reader import RunReader
from outlast_app.runs.views import accepted_run
from outlast_app.runs.webhooks import check_webhooks

_SAME_WAIT_S = 2.0
_OLDER_WORKER_POLL_S = 1.0
# What Restate refuses it refuses sooner, and nothing is to be left that waits for such a run.
_REFUSED_S = 0.02

T = TypeVar("T")


class RunStarter:
    """Starts runs, and waits for them."""

    def __init__(
        self,
        registry: Registry,
        ingress: Ingress,
        reader: RunReader,
        max_in_line: int,
        webhooks: WebhookPolicy,
    ) -> None:
        # An order says only what differs from what the worker knows: that may be an older one.
        self._max_in_line = None if max_in_line == MAX_IN_LINE else max_in_line
        self._registry = registry
        self._ingress = ingress
        self._reader = reader
        self._webhooks = webhooks

    async def start(self, order: RunOrder, wait_s: float) -> Run:
        """Start a run; return it when it has ended, or as it is when the time is over.

        Raises:
            InvalidRequest: Its webhooks may not be told.
        """
        check_webhooks(self._webhooks, order)
        with _name_run_in_problems(order.ref, BadGateway):
            if order.thread and not order.after_s:
                return await self._start_on_thread(order.thread, order, wait_s)
            return await self._start_alone(order, wait_s)

    async def await_end(self, ref: RunRef, run: Run, wait_s: float, *, in_line: bool = True) -> Run:
        """Wait for the end of an accepted run; return it as it is if it takes longer.

        It does when the time is over, when the run waits for a person, or is in line behind one
        that does. `in_line`: whether it may be, on its thread.
        """
        if run.ended or wait_s <= 0 or run.waiting_for in SETTLING:
            return run
        thread = ThreadRef(ref.tenant, run.thread_id) if run.thread_id and in_line else None
        end = self._reader.wait(ref, wait_s)
        if thread or self._may_ask(ref):
            end = _unless(self._comes_to_wait(ref, thread, wait_s), end)
        return await self._ended(ref, await end)

    async def _ended(self, ref: RunRef, outcome: Outcome) -> Run:
        """Return a run that was waited for."""
        match outcome:
            case Ended(run) if run.parent is None:  # to others it has not returned all
                return run
            case Unknown():
                raise UnknownRun(f"The run {ref.run_id} was purged while it was waited for.")
            case _:
                return await self._reader.read(ref)

    async def _comes_to_wait(
        self, ref: RunRef, thread: ThreadRef | None, wait_s: float, *, after_s: float = 0
    ) -> bool:
        """Wait until the run waits for a person, or is in line behind one that does.

        False if it does not: it has ended, the time is over, or nobody knows. `after_s`: how late
        to ask at first, of a run that may still be refused.
        """
        loop = asyncio.get_running_loop()
        deadline, in_line = loop.time() + wait_s, thread is not None
        await asyncio.sleep(after_s)
        with suppress(OperatorProblem):
            while (left_s := deadline - loop.time()) > 0:
                match await self._ingress.settled(ref, left_s, in_line=in_line):
                    case "settled":
                        return True
                    case "ended" | "neither":
                        return False
                    case "parked":
                        if thread and await self._is_held_up(ref, thread):
                            return True
                        in_line = False  # it goes on; what holds it up later is not waited for
                    case "unable":
                        run = await self._ingress.status(ref)
                        if run and run.waiting_for in SETTLING:
                            return True
                        await asyncio.sleep(_OLDER_WORKER_POLL_S)
        return False

    async def _is_held_up(self, ref: RunRef, thread: ThreadRef) -> bool:
        """Tell whether another run, which holds the thread, waits for a person and is alive."""
        with suppress(OperatorProblem):  # who can't be asked is not known to wait
            holder = await self._ingress.thread_holder(thread)
            if holder and holder.held_up and holder.run_id and holder.run_id != ref.run_id:
                return not await self._reader.is_dead(RunRef(ref.tenant, holder.run_id))
        return False

    def _may_ask(self, ref: RunRef) -> bool:
        agent = self._registry.get(ref.agent)
        return agent is not None and self._registry.teams.may_ask_people(agent)

    async def _start_on_thread(self, thread: ThreadRef, order: RunOrder, wait_s: float) -> Run:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        order = order.model_copy(update={"max_in_line": self._max_in_line})
        if order.on_busy in ("reject", "steer") and await self._is_held_by_dead(thread):
            # It can take no message, and its thread learns of the death only when somebody waits.
            order = order.model_copy(update={"on_busy": "enqueue"})
        with _name_run_in_problems(order.ref, WorkerUnavailable):
            answer = await self._ingress.submit(thread, order, wait_s)
        with _name_run_in_problems(order.ref):
            if isinstance(answer, Pending):
                return await self._read_undecided(order)
            if not answer.same_body:
                raise _conflict()
            if answer.outcome == "granted" and wait_s and not self._may_ask(order.ref):
                return await self._await_sent(order, deadline)
            ref, run = await self._read_submitted(order, answer)
            in_line = answer.outcome != "granted"
            run = await self.await_end(ref, run, deadline - loop.time(), in_line=in_line)
        return run.model_copy(update={"steered": answer.outcome == "steered"})

    async def _await_sent(self, order: RunOrder, deadline: float) -> Run:
        """Wait for the end of a run that its thread has just sent, and that mostly has arrived."""
        loop = asyncio.get_running_loop()
        outcome = await self._ingress.wait(order.ref, deadline - loop.time())
        if isinstance(outcome, Unknown):
            await self._ingress.arrival(order)
            outcome = await self._reader.wait(order.ref, deadline - loop.time())
        return await self._ended(order.ref, outcome)

    async def _is_held_by_dead(self, thread: ThreadRef) -> bool:
        with suppress(WorkerUnavailable):  # then nobody can say who holds it
            holder = await self._ingress.thread_holder(thread)
            if holder and holder.run_id:
                return await self._reader.is_dead(RunRef(thread.tenant, holder.run_id))
        return False

    async def _read_undecided(self, order: RunOrder) -> Run:
        """Return a run that its thread has not seen yet, if it will be one in any case."""
        await self._check_first(order)
        if order.on_busy in ("enqueue", "interrupt") and order.after_run is None:
            return _accepted(order)
        raise WorkerUnavailable(
            "The worker does not answer. Whether the run starts is decided when it is back: "
            f"ask for /runs/{order.run_id} then."
        )

    async def _read_submitted(self, order: RunOrder, answer: SubmitAnswer) -> tuple[RunRef, Run]:
        """Return the run that the answer is about: the order's own, or the one that it joins."""
        match answer.outcome:
            case "granted" | "queued":
                await self._ingress.arrival(order)
                return order.ref, _accepted(order)
            case "known":
                await self._ingress.arrival(order)
                return order.ref, await self._reader.read(order.ref)
            case "steered":
                taker = RunRef(order.tenant, answer.run_id or "")
                try:
                    return taker, await self._reader.read(taker)
                except UnknownRun:
                    raise RunEnded(
                        f"The run {taker.run_id} took the input, and was purged since."
                    ) from None
            case "full":
                raise ThreadFull(
                    f"As many runs wait for the thread {order.thread_id} as may. No run was "
                    "started; try again when some have ended."
                )
            case "moved":
                last = answer.run_id or "none"
                raise ThreadMoved(
                    f"The run that the thread {order.thread_id} has taken last is {last}, not "
                    f"{order.after_run}. No run was started.",
                    extra={"run_id": answer.run_id},
                )
            case "rejected":
                raise ThreadBusy(
                    f"The run {answer.run_id} holds the thread {order.thread_id}. "
                    "No run was started.",
                    extra={"run_id": answer.run_id},
                )

    async def _start_alone(self, order: RunOrder, wait_s: float) -> Run:
        may_ask = self._may_ask(order.ref)
        # Whether the same request came before has to be known before the run may come to wait.
        if not wait_s or (may_ask and order.repeatable):
            accepted = await self._ingress.start(order)
            if isinstance(accepted, Repeated):
                return await self.repeated(order.ref, order.body_hash, wait_s)
            with _name_run_in_problems(order.ref):
                return await self.await_end(order.ref, _accepted(order), wait_s)
        end = self._ingress.start_and_wait(order, wait_s)
        if may_ask:
            end = _unless(
                self._comes_to_wait(order.ref, order.thread, wait_s, after_s=_REFUSED_S), end
            )
        match await end:
            case Ended(run):
                return run
            case Repeated():
                return await self.repeated(order.ref, order.body_hash, wait_s)
            case Unknown():
                raise RestateUnavailable(
                    "Restate was lost before it had accepted the run; nothing was started. "
                    "Try again."
                )
            case Broken() | Pending():
                with _name_run_in_problems(order.ref):
                    return await self._reader.read(order.ref)

    async def repeated(self, ref: RunRef, body_hash: str, wait_s: float) -> Run:
        """Wait for the run that the same request has started before.

        Raises:
            IdempotencyConflict: Another one has, with the same key.
        """
        with _name_run_in_problems(ref):
            if (await self._ingress.same(ref, body_hash, _SAME_WAIT_S)).answer == "different":
                raise _conflict()
            run = await self._reader.read(ref)
            return await self.await_end(ref, run, wait_s)

    async def _check_first(self, order: RunOrder) -> None:
        """Compare a request that its thread has not seen with the first one of the same key."""
        if not order.repeatable:
            return
        first = await self._reader.submission(order.ref)
        if first and first.body_hash != order.body_hash:
            raise _conflict()


async def _unless(waits: Coroutine[Any, Any, bool], end: Coroutine[Any, Any, T]) -> T | Pending:
    """Wait for a run's end; pending once it comes to wait for somebody."""
    waiting, ending = asyncio.create_task(waits), asyncio.create_task(end)
    try:
        await asyncio.wait({ending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and not waiting.result():
            await asyncio.wait({ending})
    finally:
        waiting.cancel()
        if not ending.done():
            ending.cancel()
        await asyncio.wait({ending, waiting})
    return Pending() if ending.cancelled() else ending.result()


@contextmanager
def _name_run_in_problems(
    ref: RunRef, kind: type[OperatorProblem] = OperatorProblem
) -> Generator[None]:
    """Name the run in a problem that comes up after Restate may have accepted it."""
    try:
        yield
    except UnknownRun:
        raise maybe_accepted(ref.run_id) from None
    except kind as problem:
        problem.headers["Location"] = f"/runs/{ref.run_id}"
        problem.extra["run_id"] = ref.run_id
        raise


def _accepted(order: RunOrder) -> Run:
    return accepted_run(
        order.ref,
        order.created_at,
        thread_id=order.thread_id,
        metadata=order.metadata,
        input_preview=preview_of(order.input),
    )


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        "This Idempotency-Key belongs to a run with another body. Use a new key for a new run."
    )
