"""A setting whose name is misspelt is told at start, with the name that was meant."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from structlog.testing import capture_logs

from outlast.settings_names import Slip, slips, warn_of_slips
from outlast_app.settings import AppSettings
from outlast_local.settings import LocalSettings
from outlast_worker.settings import WorkerSettings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
KINDS = pytest.mark.parametrize("kind", [AppSettings, WorkerSettings, LocalSettings])


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.environ", {})
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        (AppSettings, "AGENT", "AGENTS"),
        (WorkerSettings, "MODELS", "MODEL"),
        (AppSettings, "RESTATE_INGRES_URL", "RESTATE_INGRESS_URL"),
        (AppSettings, "APP_KEY", "APP_KEYS"),
        (WorkerSettings, "WORKER_PROVIDER", "WORKER_PROVIDERS"),
        (WorkerSettings, "WORKER_AGENTS", "AGENTS"),
        (AppSettings, "OUTLAST_MODEL", "MODEL"),
    ],
)
def test_a_slip_in_the_file(kind: type[BaseSettings], given: str, meant: str) -> None:
    """In `.env`, which is written for us, every name is looked at, in either case."""
    for written in (given, given.lower()):
        Path(".env").write_text(f"{written}=secret-1\n")
        assert list(slips(kind)) == [Slip(given, meant)]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("WORKER_PROVIDER", "WORKER_PROVIDERS"),
        ("RESTATE_ADMN_URL", "RESTATE_ADMIN_URL"),
        ("APP_LOG_LEVEL", "LOG_LEVEL"),
    ],
)
def test_a_slip_in_the_environment(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    """In the environment names with our prefixes are looked at."""
    monkeypatch.setattr("os.environ", {given: "secret-1"})
    assert list(slips(WorkerSettings)) == [Slip(given, meant)]


@KINDS
@pytest.mark.parametrize("name", ["AGENT", "MODE", "REDIS_URI", "LOG_LEVELS", "WORKER_CLASS"])
def test_other_programs(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseSettings], name: str
) -> None:
    """Other names of the environment are anybody's."""
    monkeypatch.setattr("os.environ", {name: "1"})
    assert list(slips(kind)) == []


def test_a_setting_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has given a setting did not misspell it: the other name is another program's."""
    Path(".env").write_text("MODELS=1\nMODEL=openai/x\n")
    assert list(slips(AppSettings)) == []
    Path(".env").write_text("MODELS=1\n")
    monkeypatch.setattr("os.environ", {"MODEL": "openai/x"})
    assert list(slips(AppSettings)) == []


@KINDS
def test_names_of_ours(kind: type[BaseSettings]) -> None:
    """No name of `.env.example` is taken for a slip, whoever reads it."""
    written = re.sub(r"^#(?=[A-Z])", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    Path(".env").write_text(re.sub(r"=.*", "=1", written))
    names = re.findall(r"^([A-Z_]+)=1", Path(".env").read_text(), re.MULTILINE)
    assert len(names) > 40
    for name in names:
        Path(".env").write_text(f"{name}=1\n")
        assert list(slips(kind)) == []


def test_warning() -> None:
    """A slip is logged once, without its value, and keeps nobody from starting."""
    Path(".env").write_text("LOG_LEVELS=secret-1\n")
    with capture_logs() as logs:
        warn_of_slips(AppSettings, WorkerSettings)
    assert logs == [
        {
            "event": "unknown_setting",
            "log_level": "warning",
            "given": "LOG_LEVELS",
            "did_you_mean": "LOG_LEVEL",
        }
    ]
