"""Whoever starts a stack is told of settings whose names have slips."""

from pathlib import Path

import pytest

from outlast_local.misspelt import misspelt_settings


def test_slips(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the app's, the worker's and the stack's own; each once, and no right name is one."""
    (project / ".env").write_text(
        "APP_PORT=1\nAPP_PORTS=2\nWORKER_SUSPEND_AFTER=3\nDEMO_MODEL_PRT=4\nREDIS_UR=5\n"
        "RESTATE_ADMIN_PORT=6\nSHOP_DSN=7\n"
    )
    monkeypatch.setenv("WORKER_PROT", "8")
    assert misspelt_settings() == [
        "REDIS_UR is not a setting; did you mean REDIS_URL?",
        "WORKER_SUSPEND_AFTER is not a setting; did you mean WORKER_SUSPEND_AFTER_S?",
        "WORKER_PROT is not a setting; did you mean WORKER_PORT?",
        "DEMO_MODEL_PRT is not a setting; did you mean DEMO_MODEL_PORT?",
    ]
