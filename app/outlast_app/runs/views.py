"""What is shown of a run by those who can't ask the run itself."""

from collections.abc import Mapping
from datetime import timedelta

from outlast.names import RunRef
from outlast.protocol import Engine, Run, RunError, Time
from outlast_app.restate.outcomes import Broken
from outlast_app.restate.rows import EngineRow


def accepted_run(
    ref: RunRef,
    created_at: Time | None,
    *,
    thread_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    input_preview: str | None = None,
) -> Run:
    """Return a run that Restate has accepted and no worker has taken yet, as far as is known."""
    return Run(
        run_id=ref.run_id,
        agent=ref.agent,
        thread_id=thread_id,
        status="queued",
        input_preview=input_preview,
        metadata=dict(metadata or {}),
        messages=[],
        created_at=created_at,
    )


def without_content(run: Run) -> Run:
    """Return how a run stands, for who may not read what is in it."""
    return run.model_copy(
        update={
            "messages": None,
            "output": None,
            "approvals": [],
            "calls": [],
            "waiting": None,
            "input_preview": None,
            "metadata": {},
            "origin": None,
            "error": None,
        }
    )


def broken_run(ref: RunRef, state: Run | None, broken: Broken) -> Run:
    """Return a run that could not say how it ended, with what it had written before."""
    known = state or Run(run_id=ref.run_id, agent=ref.agent, status="failed")
    error = (
        RunError(type="killed", message="The run was killed in Restate.", retryable=False)
        if broken.killed
        else RunError(type="internal", message=broken.reason, retryable=False)
    )
    return known.model_copy(
        update={
            "status": "failed",
            "waiting_for": None,
            "waiting": None,
            "engine": None,
            "error": error,
        }
    )


def with_engine(run: Run, row: EngineRow | None) -> Run:
    """Add what the engine knows to what the run says of itself: what holds it up at the model."""
    if row is None or run.ended:
        return run
    status = "paused" if row.paused else run.status
    at_model = run.engine if row.last_failure is None else None
    return run.model_copy(update={"status": status, "engine": at_model or row.engine})


def with_invocation(run: Run, row: EngineRow | None, state: Run | None) -> Run:
    """Add where a run is carried out, or was: as Restate knows it, and as the run itself does."""
    engine = (run.engine or Engine()).model_copy(
        update={
            "invocation_id": row and row.id,
            "deployment_id": row and row.deployment_id,
            "digest": state and state.engine and state.engine.digest,
        }
    )
    return run.model_copy(update={"engine": engine, "trace_id": state and state.trace_id})


def expiry_of(updated_at: Time, expires_after_s: float | None, *, busy: bool) -> Time | None:
    """Return when a thread is forgotten, if nothing happens to it before."""
    if busy or expires_after_s is None:
        return None
    return updated_at + timedelta(seconds=expires_after_s)
