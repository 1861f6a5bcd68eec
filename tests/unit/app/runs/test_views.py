"""What the app adds to what a run says of itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from outlast.protocol import Run, Waiting
from outlast_app.restate.rows import EngineRow
from outlast_app.runs.views import with_engine

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ASKED = Waiting(kind="approval", text="Waits for a person.")


def run(status: str, **fields: Any) -> Run:
    return Run(run_id="a.b", agent="a", status=status, created_at=AT, **fields)  # pyright: ignore[reportArgumentType]  # as tests say it


def row(status: str = "running", **fields: Any) -> EngineRow:
    return EngineRow(status=status, created_at=AT, **fields)


FAILED: dict[str, Any] = {"last_failure": "connection refused", "next_retry_at": AT}


@pytest.mark.parametrize(
    ("shown", "engine", "kind"),
    [
        (run("running"), row(), None),
        (run("running"), row("paused", **FAILED), "paused"),
        (run("running"), row("backing-off", **FAILED), "worker"),
        (run("running"), row("running", **FAILED), None),
        (run("queued", thread_id="t"), row(), "turn"),
        (run("queued", thread_id="t"), None, "turn"),
        (run("queued", thread_id="t"), row("backing-off", **FAILED), "worker"),
        (run("queued"), row(), None),
        (run("waiting", waiting=ASKED), row(), "approval"),
        (run("completed"), row("paused"), None),
    ],
)
def test_why_a_run_stands_still(shown: Run, engine: EngineRow | None, kind: str | None) -> None:
    """What the engine waits for counts before what the run says; else its place in line does."""
    waiting = with_engine(shown, engine).waiting
    assert (waiting and waiting.kind) == kind
