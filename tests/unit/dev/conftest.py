"""What the development tools read in tests: nothing but what the test sets."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

import outlast_local.example_call
import outlast_local.provider
import outlast_local.reloading
from outlast_local.settings import LocalSettings


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A repository's folder with its own `.env`, and an environment without our settings."""
    for name in LocalSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name in (
        "AGENTS",
        "MODEL",
        "APP_KEYS",
        "WORKER_PROVIDERS",
        *outlast_local.provider.provider_keys(),
    ):
        monkeypatch.delenv(name, raising=False)
    for module in (outlast_local.provider, outlast_local.example_call, outlast_local.reloading):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    config = SettingsConfigDict(**{**LocalSettings.model_config, "env_file": tmp_path / ".env"})
    monkeypatch.setattr(LocalSettings, "model_config", config)
    return tmp_path
