"""Settings of both processes come from the environment, and `.env.example` knows them all."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from outlast.settings import DEFAULT_MODEL, SharedSettings
from outlast_app.settings import AppSettings
from outlast_local.guard.settings import GuardSettings
from outlast_local.settings import LocalSettings
from outlast_worker.settings import WorkerSettings, export_env_file

EXAMPLE = Path(__file__).parents[2] / ".env.example"
# What libraries and demo agents read themselves.
NOT_OURS = re.compile(r"[A-Z]+_API_KEY|[A-Z]+_(API_)?BASE(_URL)?|SUPPORT_\w+|OUTLAST_CACHE")
BOTH = pytest.mark.parametrize("settings", [AppSettings, WorkerSettings])


def names(settings: type[BaseSettings]) -> set[str]:
    """Return the environment variables of a class of settings."""
    prefix = settings.model_config.get("env_prefix", "")
    return {
        str(field.validation_alias or f"{prefix}{name}").upper()
        for name, field in settings.model_fields.items()
    }


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in names(AppSettings) | names(WorkerSettings):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGENTS", "desk")
    monkeypatch.chdir(tmp_path)


@BOTH
def test_defaults(settings: type[SharedSettings]) -> None:
    """Both processes start without any other setting than AGENTS."""
    assert settings().agents == "desk"
    assert settings().model == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("settings", "variable", "field", "value"),
    [
        (AppSettings, "APP_PORT", "port", 1),
        (WorkerSettings, "WORKER_PORT", "port", 1),
        (AppSettings, "APP_WAIT_TIMEOUT_S", "wait_timeout_s", 5.0),
        (WorkerSettings, "WORKER_MODEL_TIMEOUT_S", "model_timeout_s", 5.0),
        (WorkerSettings, "RUN_RETENTION_S", "run_retention_s", 5.0),
        (AppSettings, "AGENTS", "agents", "mine"),
        (WorkerSettings, "AGENTS", "agents", "mine"),
        (AppSettings, "MODEL", "model", "openai/y"),
        (WorkerSettings, "WORKER_URL", "worker_url", "http://w"),
        (AppSettings, "WORKER_URL", "worker_url", "http://w"),
        (AppSettings, "LOG_JSON", "log_json", True),
    ],
)
def test_variables(
    monkeypatch: pytest.MonkeyPatch, settings: type[Any], variable: str, field: str, value: Any
) -> None:
    """A process's own settings have its prefix, shared ones have none."""
    monkeypatch.setenv(variable, str(value))
    assert getattr(settings(), field) == value


@BOTH
@pytest.mark.parametrize("name", ["AGENTS", "MODEL", "LOG_LEVEL"])
def test_shared_names_have_no_prefix(
    monkeypatch: pytest.MonkeyPatch, settings: type[SharedSettings], name: str
) -> None:
    """A prefix before a shared name does nothing: both processes must agree on those."""
    for prefix in ("APP_", "WORKER_"):
        monkeypatch.setenv(prefix + name, "wrong")
    assert settings().model_dump()[name.lower()] == SharedSettings().model_dump()[name.lower()]


def test_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, the environment comes before it, and other programs' names don't matter."""
    (tmp_path / ".env").write_text("APP_PORT=5\nWORKER_PORT=6\nMODEL=openai/y\nOTHER=7\n")
    assert (AppSettings().port, WorkerSettings().port) == (5, 6)
    assert AppSettings().model == "openai/y"
    monkeypatch.setenv("APP_PORT", "8")
    assert AppSettings().port == 8


@BOTH
def test_frozen(settings: type[SharedSettings]) -> None:
    """Settings don't change while a process runs."""
    with pytest.raises(ValidationError):
        settings().model = "openai/y"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (AppSettings, "APP_PORT", "70000"),
        (AppSettings, "APP_MAX_BODY_BYTES", str(64 * 1024 * 1024)),
        (AppSettings, "APP_WAIT_TIMEOUT_S", "0"),
        (AppSettings, "APP_KEYS", '{"a/b": ["k"]}'),
        (AppSettings, "APP_KEYS", '{"": ["k"]}'),
        (WorkerSettings, "WORKER_TOOL_THREADS", "0"),
        (WorkerSettings, "WORKER_MODEL_TIMEOUT_S", "-1"),
        (WorkerSettings, "WORKER_PROVIDERS", '{"openai": {"base_ulr": "x"}}'),
        (
            WorkerSettings,
            "WORKER_PROVIDERS",
            '{"openai": {"keys": [{"name": "a", "key": "k", "weight": 0}]}}',
        ),
    ],
)
def test_invalid(
    monkeypatch: pytest.MonkeyPatch, settings: type[Any], variable: str, value: str
) -> None:
    """What can't work is refused when the process starts."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError):
        settings()


# Who may reach the app.


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_open_without_keys(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Without keys the app serves this machine only, unless somebody takes that on."""
    monkeypatch.setenv("APP_HOST", host)
    with pytest.raises(ValidationError, match="Set APP_KEYS, or APP_ALLOW_NO_KEYS=true"):
        AppSettings()
    monkeypatch.setenv("APP_ALLOW_NO_KEYS", "true")
    with pytest.raises(ValidationError, match="needs APP_PUBLIC_HOSTS"):
        AppSettings()
    monkeypatch.setenv("APP_PUBLIC_HOSTS", "agents.example, 10.0.0.7")
    assert AppSettings().host == host
    assert AppSettings().public_hosts == ["agents.example", "10.0.0.7"]


def test_no_keys_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tenants are no keys."""
    monkeypatch.setenv("APP_HOST", "0.0.0.0")
    monkeypatch.setenv("APP_KEYS", "{}")
    with pytest.raises(ValidationError, match="there are no APP_KEYS"):
        AppSettings()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """This machine needs no keys."""
    monkeypatch.setenv("APP_HOST", host)
    assert AppSettings().host == host


def test_open_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys the app may serve everybody."""
    monkeypatch.setenv("APP_HOST", "0.0.0.0")
    monkeypatch.setenv("APP_KEYS", '{"acme": ["secret-1", "secret-2"]}')
    assert [key.name for key in AppSettings().keys["acme"]] == ["key-1", "key-2"]


def test_one_key_of_two_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that stands for two tenants is refused, and not shown."""
    monkeypatch.setenv("APP_KEYS", '{"acme": ["secret-1"], "other": ["secret-1"]}')
    with pytest.raises(ValidationError, match="two tenants") as raised:
        AppSettings()
    assert "secret-1" not in str(raised.value)


# Secrets.


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings can be printed and logged."""
    monkeypatch.setenv("APP_KEYS", '{"acme": ["secret-1"]}')
    monkeypatch.setenv(
        "WORKER_PROVIDERS",
        '{"openai": {"headers": {"x-team": "secret-2"},'
        ' "keys": [{"name": "main", "key": "secret-3"}]}}',
    )
    for settings in (AppSettings(), WorkerSettings()):
        shown = f"{settings!r} {settings} {settings.model_dump_json()}"
        assert "secret-" not in shown


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (AppSettings, "APP_KEYS", '{"a/b": ["secret-1"]}'),
        (AppSettings, "APP_KEYS", '{"acme": "secret-1"}'),
        (WorkerSettings, "WORKER_PROVIDERS", '{"openai": {"keys": ["secret-1"]}}'),
        (WorkerSettings, "WORKER_PROVIDERS", '{"openai": {"key": "secret-1"}}'),
    ],
)
def test_secrets_are_not_shown_in_errors(
    monkeypatch: pytest.MonkeyPatch, settings: type[Any], variable: str, value: str
) -> None:
    """A setting that is refused is not printed with the keys in it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as raised:
        settings()
    assert "secret-1" not in str(raised.value)


# The example.


def test_the_example() -> None:
    """`.env.example` names every setting, and nothing that is none."""
    mentioned = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    ours = names(AppSettings) | names(WorkerSettings) | names(LocalSettings)
    ours |= names(GuardSettings)
    assert ours - mentioned == set()
    assert {name for name in mentioned - ours if not NOT_OURS.fullmatch(name)} == set()


# The file, for others.


def test_what_others_read_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers' keys and tools' own variables may stand in `.env`; the environment wins."""
    environment = {"OPENAI_API_KEY": "here", "EMPTY": ""}
    monkeypatch.setattr("os.environ", environment)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=there\nEMPTY=1\nSHOP_DB=shop.db\n")
    export_env_file()
    assert environment == {"OPENAI_API_KEY": "here", "EMPTY": "", "SHOP_DB": "shop.db"}
