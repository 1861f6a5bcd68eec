"""How a run is found and read, wherever its parts are."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from outlast.errors import (
    AdminUnavailable,
    NotRegistered,
    OperatorProblem,
    RestateUnavailable,
    UnknownRun,
    WorkerUnavailable,
)
from outlast.logging import get_logger
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Approval, Run
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Ended, Outcome, Pending, Submission, Unknown
from outlast_app.restate.rows import EngineRow
from outlast_app.runs.views import accepted_run, broken_run, with_engine, with_invocation

_RETURN_TIMEOUT_S = 2.0
# A worker that takes longer may be away.
_PATIENCE_S = 0.3
# Restate hands a run on within milliseconds, but for the moment after its own restart.
_ARRIVAL_TIMEOUT_S = 1.0
_ARRIVAL_POLL_S = 0.01
_RECONNECT_DELAY_S = 0.1
_logger = get_logger()


class RunReader:
    """Puts a run together from where its parts are."""

    def __init__(self, ingress: Ingress, admin: Admin) -> None:
        self._ingress = ingress
        self._admin = admin

    async def read(self, ref: RunRef, *, messages: bool = True) -> Run:
        """Return a run as it is now; one that goes on has messages only where the worker answers.

        Args:
            ref: The run.
            messages: Whether to have them at all.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: It has not returned, and neither worker nor admin API answers.
        """
        match await self._ingress.outcome(ref):
            case Ended(run) if run.parent:
                return await self._read_called(ref, run, messages=messages)
            case Ended(run):
                return (
                    run if messages else run.model_copy(update={"messages": None, "origin": None})
                )
            case Broken() as broken:
                state = await self._state(ref, messages=messages, killed=True)
                return broken_run(ref, state, broken)
            case Unknown():
                return await self._read_submitted(ref, messages=messages)
            case _:
                return await self._read_pending(ref, messages=messages)

    async def read_with_engine(self, ref: RunRef, *, messages: bool = True) -> Run:
        """Return a run with where it is carried out, or was; what nobody can tell now is null."""
        run = await self.read(ref, messages=messages)
        row, state = await self._engine_row(ref), None
        with suppress(WorkerUnavailable):
            state = await self._ingress.status(ref, killed=True, engine=True)
        return with_invocation(run, row, state)

    async def read_broken(self, ref: RunRef, state: Run | None, broken: Broken) -> Run:
        """Return a run that could not commit its end, with what it has kept, if that is there."""
        try:
            return await self.read(ref, messages=False)
        except (UnknownRun, OperatorProblem):
            return broken_run(ref, state, broken)

    async def approvals(self, ref: RunRef) -> Sequence[Approval]:
        """Return what a run has asked people, also if its agent is gone.

        Nothing if it is not kept any more: who asks for a run of which nobody knows whether there
        was one, reads it.

        Raises:
            OperatorProblem: Neither worker nor admin API answers.
        """
        try:
            state = await self._state(ref, messages=False)
        except NotRegistered:
            state = await self._admin.run_state(ref)
        return state.approvals if state else ()

    async def outcome(self, ref: RunRef) -> Outcome:
        """Return how a run has ended, if it has; needs no worker.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: Neither worker nor admin API answers.
        """
        outcome = await self._ingress.outcome(ref)
        if isinstance(outcome, Unknown):
            return Pending() if await self.find(ref) else await self._ingress.outcome(ref)
        return outcome

    async def end(self, ref: RunRef) -> Outcome:
        """Return how a run has ended; one that has told so, and is about to return, is waited for.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: Neither worker nor admin API answers.
        """
        outcome = await self.outcome(ref)
        if isinstance(outcome, Pending):
            with suppress(WorkerUnavailable):
                state = await self._ingress.status(ref)
                if state and state.ended:
                    return await self._ingress.wait(ref, _RETURN_TIMEOUT_S)
        return outcome

    async def wait(self, ref: RunRef, wait_s: float) -> Outcome:
        """Wait for the end of a run, which its thread may not have seen yet."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            outcome = await self._ingress.wait(ref, deadline - loop.time())
            if not isinstance(outcome, Unknown):
                return outcome
            try:
                submission = await self.find(ref)
            except UnknownRun:
                return outcome
            except (RestateUnavailable, WorkerUnavailable):
                await asyncio.sleep(_RECONNECT_DELAY_S)  # a restart is waited out
                continue
            if submission:
                left_s = deadline - loop.time()
                if not await self._ingress.wait_for_submission(submission, left_s):
                    return Pending()

    async def is_dead(self, ref: RunRef) -> bool:
        """Tell whether a run that holds a thread was killed, and so does not release it."""
        outcome = await self._ingress.outcome(ref)
        if isinstance(outcome, Unknown):
            try:
                await self.find(ref)
            except UnknownRun:
                return True
        return isinstance(outcome, Broken)

    async def find(self, ref: RunRef) -> Submission | None:
        """Look for a run that is not at its own place; return it if its thread has not seen it.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: Neither worker nor admin API answers.
        """
        if submission := await self.submission(ref):
            return submission
        # Its thread may have sent it just now: while it is on its way, it is at neither place.
        loop = asyncio.get_running_loop()
        deadline, delay_s = loop.time() + _ARRIVAL_TIMEOUT_S, _ARRIVAL_POLL_S
        while isinstance(await self._ingress.outcome(ref), Unknown):
            if loop.time() < deadline:
                await asyncio.sleep(delay_s)
                delay_s *= 2
            elif submission := await self.submission(ref):
                return submission
            else:
                raise UnknownRun(
                    f"There is no run {ref.run_id}, or it is no longer kept (RUN_RETENTION_S), or "
                    "no worker has its agent any more."
                )
        return None

    async def submission(self, ref: RunRef) -> Submission | None:
        """Return the run if it waits to be seen by its thread.

        Raises:
            WorkerUnavailable: Neither worker nor admin API answers.
        """
        try:
            return await self._admin.submission(ref)
        except AdminUnavailable as error:
            _logger.warning("admin_unavailable", reason=str(error))
            # A worker that answers has seen all that was submitted, but for what Restate is
            # about to try again.
            await self._ingress.status(ref)
            return None

    async def _read_submitted(self, ref: RunRef, *, messages: bool) -> Run:
        if submission := await self.find(ref):
            return accepted_run(ref, submission.created_at, thread_id=submission.thread_id)
        return await self.read(ref, messages=messages)

    async def _read_pending(self, ref: RunRef, *, messages: bool) -> Run:
        state, engine = await asyncio.gather(
            self._state(ref, messages=messages),
            self._engine_row(ref),
            return_exceptions=True,
        )
        if isinstance(engine, BaseException):
            raise engine
        if isinstance(state, BaseException):
            raise state
        if state and state.ended:
            return await self._ended(ref, state)
        run = with_engine(state or accepted_run(ref, engine and engine.created_at), engine)
        return await self._with_holder(ref, run)

    async def _with_holder(self, ref: RunRef, run: Run) -> Run:
        """Name the run that holds the thread which another one waits for, if that can be asked."""
        if run.thread_id is None or run.waiting is None or run.waiting.kind != "turn":
            return run
        with suppress(OperatorProblem):
            holder = await self._ingress.thread_holder(ThreadRef(ref.tenant, run.thread_id))
            if holder and holder.run_id != ref.run_id:
                named = run.waiting.model_copy(update={"run_id": holder.run_id})
                return run.model_copy(update={"waiting": named})
        return run

    async def _ended(self, ref: RunRef, state: Run) -> Run:
        """Return a run that has committed its end and is about to return, with its messages."""
        outcome = await self._ingress.wait(ref, _RETURN_TIMEOUT_S)
        if not isinstance(outcome, Ended):
            return state
        if outcome.run.parent:
            return await self._read_called(ref, outcome.run, messages=True)
        return outcome.run

    async def _read_called(self, ref: RunRef, returned: Run, *, messages: bool) -> Run:
        """Return a run that another one had called, to which it returned what that one needs.

        The rest is in its state; where nobody can read that, it is left out.
        """
        with suppress(WorkerUnavailable):
            return await self._state(ref, messages=messages) or returned
        return returned

    async def _engine_row(self, ref: RunRef) -> EngineRow | None:
        try:
            return await self._admin.engine_row(ref)
        except AdminUnavailable as error:
            _logger.warning("admin_unavailable", reason=error.detail)
            return None

    async def _state(self, ref: RunRef, *, messages: bool, killed: bool = False) -> Run | None:
        """Return the run as the worker says, or as it has left it; None before it has begun."""
        left = asyncio.create_task(self._left_state(ref))
        try:
            return await self._ingress.status(ref, messages=messages, killed=killed)
        except WorkerUnavailable:
            state = await left
            if isinstance(state, AdminUnavailable):
                raise
            return state
        finally:
            left.cancel()

    async def _left_state(self, ref: RunRef) -> Run | AdminUnavailable | None:
        """Look for what a worker wrote last, if it does not answer at once."""
        await asyncio.sleep(_PATIENCE_S)
        try:
            return await self._admin.run_state(ref)
        except AdminUnavailable as error:
            return error
