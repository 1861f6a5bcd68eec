"""What the app knows of runs: how a request becomes an order, and how a run is found again."""

import asyncio
import hashlib
from datetime import UTC, datetime

from app.admin import Admin, EngineState
from app.ingress import Broken, Ended, Ingress, Unknown
from shared.agent import Agent
from shared.contract import RunOrder
from shared.errors import AdminUnavailable, InvalidRequest, UnknownRun, WorkerUnavailable
from shared.logging import get_logger
from shared.names import agent_of, derived_run_id, new_run_id
from shared.protocol import InputMessage, Run, RunError, StartRun

_RETURN_TIMEOUT_S = 2.0
_logger = get_logger()


def make_order(
    agent: Agent, request: StartRun, tenant: str, idempotency_key: str | None, *, stream: bool
) -> RunOrder:
    """Make the order that the worker carries out.

    Raises:
        InvalidRequest: The instructions need a name that the context lacks.
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
    run_id = (
        derived_run_id(agent.name, tenant, idempotency_key)
        if idempotency_key
        else new_run_id(agent.name)
    )
    said = request.input
    return RunOrder(
        run_id=run_id,
        tenant=tenant,
        agent=agent.name,
        input=[InputMessage(role="user", content=said)] if isinstance(said, str) else said,
        thread_id=request.thread_id,
        turn=("join" if request.after_s else "queued") if request.thread_id else "none",
        stream=stream if request.stream is None else request.stream,
        context=request.context,
        metadata=request.metadata,
        limits=request.limits,
        after_s=request.after_s,
        created_at=datetime.now(UTC),
        body_hash=hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:32],
        repeatable=idempotency_key is not None,
    )


def new_run(order: RunOrder) -> Run:
    """Return a run that Restate has accepted and nobody has seen yet."""
    return Run(
        run_id=order.run_id,
        agent=order.agent,
        thread_id=order.thread_id,
        status="queued",
        metadata=order.metadata,
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
    return known.model_copy(update={"status": "failed", "waiting_for": None, "error": error})


def unseen_run(run_id: str, engine: EngineState | None) -> Run:
    """Return a run of which only Restate can tell something."""
    return Run(
        run_id=run_id,
        agent=agent_of(run_id) or "",
        status="queued",
        created_at=engine.created_at if engine else None,
    )


def with_engine(run: Run, engine: EngineState | None) -> Run:
    """Add what the engine knows to what the run says of itself."""
    if engine is None or run.ended:
        return run
    status = "paused" if engine.paused else run.status
    return run.model_copy(update={"status": status, "engine": engine.engine})


class RunReader:
    """Puts a run together from where its parts are."""

    def __init__(self, ingress: Ingress, admin: Admin) -> None:
        self._ingress = ingress
        self._admin = admin

    async def read(self, tenant: str, run_id: str) -> Run:
        """Return a run as it is now.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            WorkerUnavailable: It has not ended, and neither worker nor admin API answers.
        """
        if agent_of(run_id) is None:
            raise UnknownRun(f"{run_id!r} is no run id; those look like support.<26 characters>.")
        match await self._ingress.outcome(tenant, run_id):
            case Ended(run):
                return run
            case Broken() as broken:
                return broken_run(run_id, await self._state(tenant, run_id), broken)
            case Unknown():
                raise UnknownRun(
                    f"There is no run {run_id}, or it is no longer kept (RUN_RETENTION_S)."
                )
            case _:
                return await self._read_pending(tenant, run_id)

    async def _read_pending(self, tenant: str, run_id: str) -> Run:
        state, engine = await asyncio.gather(
            self._ingress.status(tenant, run_id),
            self._engine_state(tenant, run_id),
            return_exceptions=True,
        )
        if isinstance(engine, BaseException):
            raise engine
        if isinstance(state, WorkerUnavailable):
            if engine is None:
                raise state
            state = None
        elif isinstance(state, BaseException):
            raise state
        if state and state.ended:
            return await self._ended(tenant, state)
        return with_engine(state or unseen_run(run_id, engine), engine)

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

    async def _state(self, tenant: str, run_id: str) -> Run | None:
        try:
            return await self._ingress.status(tenant, run_id)
        except WorkerUnavailable:
            return None
