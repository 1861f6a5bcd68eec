"""What is shown of a run by those who can't ask the run itself."""

from collections.abc import Mapping
from datetime import timedelta

from outlast.names import RunRef
from outlast.protocol import Engine, Run, RunError, Time, Waiting
from outlast_app.restate.outcomes import Broken
from outlast_app.restate.rows import EngineRow

_BACKING_OFF = "backing-off"


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
    if run.ended:
        return run
    waiting = _held_up(row) or run.waiting or _in_line(run)
    if row is None:
        return run.model_copy(update={"waiting": waiting})
    status = "paused" if row.paused else run.status
    at_model = run.engine if row.last_failure is None else None
    engine = at_model or row.engine
    return run.model_copy(update={"status": status, "engine": engine, "waiting": waiting})


def _held_up(row: EngineRow | None) -> Waiting | None:
    """Return what the engine waits for, if it does: that counts before what the run says."""
    if row and row.paused:
        text = "Restate gave up trying. Mend what failed, and resume the run."
        return Waiting(kind="paused", text=text)
    if row and row.status == _BACKING_OFF:
        text = "No worker answers, or it failed. Restate tries again."
        return Waiting(kind="worker", until=row.next_retry_at, text=text)
    return None


def _in_line(run: Run) -> Waiting | None:
    if run.status != "queued" or run.thread_id is None:
        return None
    text = "Waits for its thread, which another run holds."
    return Waiting(kind="turn", since=run.created_at, text=text)


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
