"""What the development tools read in tests: nothing but what the test sets."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

import dev.example_call
import dev.provider
import dev.reloading
from dev.settings import LocalSettings


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A repository's folder with its own `.env`, and an environment without our settings."""
    for name in LocalSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("AGENTS", "MODEL", "APP_KEYS", "WORKER_PROVIDERS", *dev.provider.provider_keys()):
        monkeypatch.delenv(name, raising=False)
    for module in (dev.provider, dev.example_call, dev.reloading):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    config = SettingsConfigDict(**{**LocalSettings.model_config, "env_file": tmp_path / ".env"})
    monkeypatch.setattr(LocalSettings, "model_config", config)
    return tmp_path
