"""What the commands read in tests: nothing but what the test sets."""

from pathlib import Path

import pytest

from outlast.providers import COMMON_KEYS
from outlast_local.settings import LocalSettings


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a project with agents called `mine`, and an environment without settings."""
    settings = (name.upper() for name in LocalSettings.model_fields)
    for name in (*settings, "MODEL", "APP_KEYS", "WORKER_PROVIDERS", *COMMON_KEYS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGENTS", "mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path
