"""What the app knows of runs: how a request becomes an order, and how a run is found again."""

import asyncio
import hashlib
import json
import re
from datetime import UTC, datetime

from pydantic import BaseModel

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.errors import (
    AdminUnavailable,
    BodyTooLarge,
    InvalidRequest,
    RestateUnavailable,
    UnknownRun,
    WorkerUnavailable,
)
from outlast.logging import get_logger
from outlast.names import agent_of, derived_run_id, new_run_id
from outlast.protocol import FilePart, ImagePart, InputMessage, Run, RunError, StartRun, TextPart
from outlast_app.restate.admin import Admin, EngineState, Submission
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Ended, Outcome, Pending, Unknown

# `gs:` is Google's storage, which its models read themselves.
_IMAGE_URL = re.compile(r"(https?:|gs:|data:image/).", re.IGNORECASE)
_FILE_URL = re.compile(r"data:.", re.IGNORECASE)
_RETURN_TIMEOUT_S = 2.0
# A worker that takes longer may be away.
_PATIENCE_S = 0.3
# Restate hands a run on within milliseconds, but for the moment after its own restart.
_ARRIVAL_TIMEOUT_S = 1.0
_ARRIVAL_POLL_S = 0.01
_RECONNECT_DELAY_S = 0.1
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_DECISION_BYTES = 256 * 1024
_logger = get_logger()


def make_order(
    agent: Agent, request: StartRun, tenant: str, idempotency_key: str | None, *, stream: bool
) -> RunOrder:
    """Make the order that the worker carries out.

    Raises:
        InvalidRequest: The instructions need a name that the context lacks, or a message says
            nothing.
        BodyTooLarge: It may have to be added to a run that goes on.
    """
    missing = [name for name in agent.placeholders if name not in request.context]
    if missing:
        raise InvalidRequest(
            f"The instructions of {agent.name} need {', '.join(missing)} in context.",
            extra={
                "errors": [
                    {"field": f"body.context.{name}", "message": "required by the instructions"}
                    for name in missing
                ]
            },
        )
    messages = as_messages(request.input)
    if request.on_busy == "steer":
        check_addition(request, MAX_MESSAGE_BYTES)
    run_id = (
        derived_run_id(agent.name, tenant, idempotency_key)
        if idempotency_key
        else new_run_id(agent.name)
    )
    return RunOrder(
        run_id=run_id,
        tenant=tenant,
        agent=agent.name,
        input=messages,
        thread_id=request.thread_id,
        admission=("join" if request.after_s else "queued") if request.thread_id else "none",
        on_busy=request.on_busy or "enqueue",
        stream=stream if request.stream is None else request.stream,
        context=request.context,
        metadata=request.metadata,
        limits=request.limits,
        after_s=request.after_s,
        created_at=datetime.now(UTC),
        body_hash=hash_of(request),
        repeatable=idempotency_key is not None,
    )


def hash_of(body: BaseModel) -> str:
    """Return what tells two bodies apart; the order of names in an object says nothing."""
    given = body.model_dump(exclude_defaults=True)  # a field that is added later changes nothing
    text = json.dumps(body.model_dump(mode="json", include=set(given)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_addition(body: BaseModel, max_bytes: int) -> None:
    """Refuse what is too large to be added to a run that goes on.

    Raises:
        BodyTooLarge: Restate could not replay the run any more.
    """
    if len(body.model_dump_json().encode()) > max_bytes:
        raise BodyTooLarge(f"A run that goes on takes up to {max_bytes} bytes at once. Send less.")


def as_messages(said: str | list[InputMessage]) -> list[InputMessage]:
    """Return an input as messages.

    Raises:
        InvalidRequest: A message says nothing, or has a file that no provider can read; each
            refuses those in ways of its own.
    """
    messages = [InputMessage(role="user", content=said)] if isinstance(said, str) else said
    for message in messages:
        content = message.content
        parts = [TextPart(text=content)] if isinstance(content, str) else content
        if not any(not isinstance(part, TextPart) or part.text.strip() for part in parts):
            raise InvalidRequest.at(
                ("body.input", "a message says nothing; give each a text or a file")
            )
        for part in parts:
            if isinstance(part, ImagePart) and not _IMAGE_URL.match(part.url):
                raise InvalidRequest.at(
                    ("body.input", "an image's url begins with https:, http: or data:image/")
                )
            if isinstance(part, FilePart) and not _FILE_URL.match(part.url):
                raise InvalidRequest.at(("body.input", "a file's url begins with data:"))
    return messages


def new_run(order: RunOrder) -> Run:
    """Return a run that Restate has accepted and nobody has seen yet."""
    return Run(
        run_id=order.run_id,
        agent=order.agent,
        thread_id=order.thread_id,
        status="queued",
        metadata=order.metadata,
        messages=[],
        created_at=order.created_at,
    )


def broken_run(run_id: str, run: Run | None, broken: Broken) -> Run:
    """Return a run that could not say how it ended, with what it had written before."""
    known = run or Run(run_id=run_id, agent=agent_of(run_id) or "", status="failed")
    error = (
        RunError(type="killed", message="The run was killed in Restate.", retryable=False)
        if broken.killed
        else RunError(type="internal", message=broken.reason, retryable=False)
    )
    return known.model_copy(
        update={"status": "failed", "waiting_for": None, "engine": None, "error": error}
    )


def is_broken(run: Run) -> bool:
    """Tell whether a run was ended from outside, so that its own state can't say so."""
    return run.status == "failed" and run.ended_at is None


def unseen_run(run_id: str, engine: EngineState | None) -> Run:
    """Return a run of which only Restate can tell something."""
    return Run(
        run_id=run_id,
        agent=agent_of(run_id) or "",
        status="queued",
        created_at=engine.created_at if engine else None,
    )


def submitted_run(run_id: str, thread_id: str, created_at: datetime) -> Run:
    """Return a run that Restate has accepted and its thread has not seen yet."""
    return Run(
        run_id=run_id,
        agent=agent_of(run_id) or "",
        thread_id=thread_id,
        status="queued",
        created_at=created_at,
    )


def with_engine(run: Run, engine: EngineState | None) -> Run:
    """Add what the engine knows to what the run says of itself: what holds it up at the model."""
    if engine is None or run.ended:
        return run
    status = "paused" if engine.paused else run.status
    at_model = run.engine if engine.engine.last_failure is None else None
    return run.model_copy(update={"status": status, "engine": at_model or engine.engine})


class RunReader:
    """Puts a run together from where its parts are."""

    def __init__(self, ingress: Ingress, admin: Admin) -> None:
        self._ingress = ingress
        self._admin = admin

    async def read(self, tenant: str, run_id: str, *, messages: bool = True) -> Run:
        """Return a run as it is now; one that goes on has messages only where the worker answers.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: It has not returned, and neither worker nor admin API answers.
        """
        if agent_of(run_id) is None:
            raise UnknownRun(f"{run_id!r} is no run id; those look like support.<26 characters>.")
        match await self._ingress.outcome(tenant, run_id):
            case Ended(run):
                return run
            case Broken() as broken:
                state = await self._state(tenant, run_id, messages=messages, killed=True)
                return broken_run(run_id, state, broken)
            case Unknown():
                return await self._read_submitted(tenant, run_id, messages=messages)
            case _:
                return await self._read_pending(tenant, run_id, messages=messages)

    async def wait(self, tenant: str, run_id: str, wait_s: float) -> Outcome:
        """Wait for the end of a run, which its thread may not have seen yet."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            outcome = await self._ingress.wait(tenant, run_id, deadline - loop.time())
            if not isinstance(outcome, Unknown):
                return outcome
            try:
                submission = await self.find(tenant, run_id)
            except UnknownRun:
                return outcome
            except (RestateUnavailable, WorkerUnavailable):
                await asyncio.sleep(_RECONNECT_DELAY_S)  # a restart is waited out
                continue
            if submission:
                left_s = deadline - loop.time()
                if not await self._ingress.wait_for_submission(submission.invocation_id, left_s):
                    return Pending()

    async def is_dead(self, tenant: str, run_id: str) -> bool:
        """Tell whether a run that has a turn was killed, and so does not give it back."""
        outcome = await self._ingress.outcome(tenant, run_id)
        if isinstance(outcome, Unknown):
            try:
                await self.find(tenant, run_id)
            except UnknownRun:
                return True
        return isinstance(outcome, Broken)

    async def find(self, tenant: str, run_id: str) -> Submission | None:
        """Look for a run that is not at its own place; return it if its thread has not seen it.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: Neither worker nor admin API answers.
        """
        if submission := await self.submission(tenant, run_id):
            return submission
        # Its thread may have sent it just now: while it is on its way, it is at neither place.
        loop = asyncio.get_running_loop()
        deadline, delay_s = loop.time() + _ARRIVAL_TIMEOUT_S, _ARRIVAL_POLL_S
        while isinstance(await self._ingress.outcome(tenant, run_id), Unknown):
            if loop.time() < deadline:
                await asyncio.sleep(delay_s)
                delay_s *= 2
            elif submission := await self.submission(tenant, run_id):
                return submission
            else:
                raise UnknownRun(
                    f"There is no run {run_id}, or it is no longer kept (RUN_RETENTION_S), or no "
                    "worker has its agent any more."
                )
        return None

    async def submission(self, tenant: str, run_id: str) -> Submission | None:
        """Return the run if it waits to be seen by its thread.

        Raises:
            WorkerUnavailable: Neither worker nor admin API answers.
        """
        try:
            return await self._admin.submission(tenant, run_id)
        except AdminUnavailable as error:
            _logger.warning("admin_unavailable", reason=str(error))
            # A worker that answers has seen all that was submitted, but for what Restate is
            # about to try again.
            await self._ingress.status(tenant, run_id)
            return None

    async def _read_submitted(self, tenant: str, run_id: str, *, messages: bool) -> Run:
        if submission := await self.find(tenant, run_id):
            run = submitted_run(run_id, submission.thread_id, submission.created_at)
            return run.model_copy(update={"messages": []})
        return await self.read(tenant, run_id, messages=messages)

    async def _read_pending(self, tenant: str, run_id: str, *, messages: bool) -> Run:
        state, engine = await asyncio.gather(
            self._state(tenant, run_id, messages=messages),
            self._engine_state(tenant, run_id),
            return_exceptions=True,
        )
        if isinstance(engine, BaseException):
            raise engine
        if isinstance(state, BaseException):
            raise state
        if state and state.ended:
            return await self._ended(tenant, state)
        unseen = unseen_run(run_id, engine).model_copy(update={"messages": []})
        return with_engine(state or unseen, engine)

    async def _ended(self, tenant: str, state: Run) -> Run:
        """Return a run that has committed its end and is about to return, with its messages."""
        outcome = await self._ingress.wait(tenant, state.run_id, _RETURN_TIMEOUT_S)
        return outcome.run if isinstance(outcome, Ended) else state

    async def _engine_state(self, tenant: str, run_id: str) -> EngineState | None:
        try:
            return await self._admin.engine_state(tenant, run_id)
        except AdminUnavailable as error:
            _logger.warning("admin_unavailable", reason=error.detail)
            return None

    async def _state(
        self, tenant: str, run_id: str, *, messages: bool, killed: bool = False
    ) -> Run | None:
        """Return the run as the worker says, or as it has left it; None before it has begun."""
        left = asyncio.create_task(self._left_state(tenant, run_id))
        try:
            return await self._ingress.status(tenant, run_id, messages=messages, killed=killed)
        except WorkerUnavailable:
            state = await left
            if isinstance(state, AdminUnavailable):
                raise
            return state
        finally:
            left.cancel()

    async def _left_state(self, tenant: str, run_id: str) -> Run | AdminUnavailable | None:
        """Look for what a worker wrote last, if it does not answer at once."""
        await asyncio.sleep(_PATIENCE_S)
        try:
            return await self._admin.run_state(tenant, run_id)
        except AdminUnavailable as error:
            return error
