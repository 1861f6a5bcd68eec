"""A setting that can't be used is named as in `.env.example`, with what to write."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

import outlast_app.__main__
import outlast_cli.__main__
import outlast_local.one_process
import outlast_worker.__main__
from outlast.settings_errors import InvalidSettings, check_settings, read_settings
from outlast.settings_names import variables
from outlast_app.settings import AppSettings
from outlast_local.guard.settings import GuardSettings
from outlast_local.settings import LocalSettings
from outlast_worker.settings import WorkerSettings

FILE = Path(__file__).parents[2] / ".env.example"
EXAMPLES = dict(re.findall(r"^#([A-Z_]+)=(.+)$", FILE.read_text(), re.MULTILINE))

pytestmark = pytest.mark.usefixtures("logging_as_before")


@pytest.fixture(autouse=True)
def no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTS", "example_agents")


def lines(*kinds: type[BaseSettings]) -> list[str]:
    with pytest.raises(InvalidSettings) as raised:
        check_settings(*kinds)
    first, *others = str(raised.value).splitlines()
    assert first == "The settings are not valid:"
    return others


@pytest.mark.parametrize(
    ("kind", "variable", "value", "line"),
    [
        (AppSettings, "APP_PORT", "abc", "APP_PORT must be a whole number"),
        (AppSettings, "APP_PORT", "70000", "APP_PORT must be less than or equal to 65535"),
        (AppSettings, "APP_WAIT_TIMEOUT_S", "soon", "APP_WAIT_TIMEOUT_S must be a number"),
        (AppSettings, "APP_ALLOW_NO_KEYS", "?", "APP_ALLOW_NO_KEYS must be true or false"),
        (
            AppSettings,
            "APP_KEYS",
            '{"a":',
            "APP_KEYS is no JSON (Expecting value at character 6); write it like "
            + EXAMPLES["APP_KEYS"],
        ),
        (
            AppSettings,
            "APP_CORS_ORIGINS",
            "[5]",
            'APP_CORS_ORIGINS[0] must be a text; write it like ["https://example.org"]',
        ),
        (
            WorkerSettings,
            "WORKER_SUSPEND_AFTER_S",
            "-1",
            "WORKER_SUSPEND_AFTER_S must be greater than 0",
        ),
        (WorkerSettings, "RUN_RETENTION_S", "0", "RUN_RETENTION_S must be greater than 0"),
        (
            WorkerSettings,
            "STREAM_SECRET_FILE",
            "/nowhere",
            "STREAM_SECRET_FILE must be the path of a file that is there",
        ),
        (
            WorkerSettings,
            "WORKER_IDENTITY_KEYS",
            '["publickeyv1_…"]',
            "WORKER_IDENTITY_KEYS[0] must be one of Restate's public keys; write it like "
            + EXAMPLES["WORKER_IDENTITY_KEYS"],
        ),
        (
            WorkerSettings,
            "WORKER_PROVIDERS",
            '{"openai": {"keys": [{"key": "k"}]}}',
            "WORKER_PROVIDERS.openai.keys[0].name is missing; write it like "
            + EXAMPLES["WORKER_PROVIDERS"],
        ),
        (
            AppSettings,
            "LOG_LEVEL",
            "foo",
            "LOG_LEVEL must be 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'",
        ),
        (
            WorkerSettings,
            "RESTATE_ADMIN_URL",
            "restate:9070",
            (
                "RESTATE_ADMIN_URL must be an address such as http://127.0.0.1:8080 "
                "or unix:///path/of/a.sock"
            ),
        ),
        (
            LocalSettings,
            "WORKER_URL",
            "http://127.0.0.1:x",
            "WORKER_URL must be an address such as http://127.0.0.1:8080",
        ),
        (
            WorkerSettings,
            "WORKER_URL",
            "http://worker:9081/v4",
            "WORKER_URL must be the worker's address without the /v… of a journal version",
        ),
        (
            WorkerSettings,
            "SERVICE_PREFIX",
            "team a",
            "SERVICE_PREFIX must begin with a letter and go on with letters, digits, . _ and -",
        ),
        (
            AppSettings,
            "APP_WORKER_URL",
            "worker:9081",
            "APP_WORKER_URL must be an address such as http://127.0.0.1:8080",
        ),
        (
            AppSettings,
            "APP_CORS_ORIGINS",
            '["https://example.org/"]',
            "APP_CORS_ORIGINS[0] must be an origin such as https://example.org; write it like "
            + EXAMPLES["APP_CORS_ORIGINS"],
        ),
        (LocalSettings, "DEMO_MODEL_PORT", "x", "DEMO_MODEL_PORT must be a whole number"),
        (
            AppSettings,
            "MODEL_PRICES",
            '{"hosted_vllm/qwen3": {"input": -1, "output": 1}}',
            (
                "MODEL_PRICES.hosted_vllm/qwen3.input must be greater than or equal to 0; "
                "write it like " + EXAMPLES["MODEL_PRICES"]
            ),
        ),
        (
            WorkerSettings,
            "MODEL_PRICES",
            '{"hosted_vllm/qwen3": {"input": 1}}',
            "MODEL_PRICES.hosted_vllm/qwen3.output is missing; write it like "
            + EXAMPLES["MODEL_PRICES"],
        ),
        (
            WorkerSettings,
            "MODEL_PRICES",
            '{"qwen3": {"input": 1, "output": 1}}',
            (
                "MODEL_PRICES.… must name provider/model, or all models of one as provider/*; "
                "write it like " + EXAMPLES["MODEL_PRICES"]
            ),
        ),
    ],
)
def test_one_fault(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[BaseSettings],
    variable: str,
    value: str,
    line: str,
) -> None:
    """A fault is one line: the variable, and what it must be."""
    monkeypatch.setenv(variable, value)
    assert lines(kind) == [line]


def test_all_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """All faults are told at once, those of a setting that both processes have once."""
    for name in ("APP_PORT", "APP_KEYS", "WORKER_PORT", "WORKER_PROVIDERS", "LOG_LEVEL"):
        monkeypatch.setenv(name, "x")
    told = [line.split()[0] for line in lines(AppSettings, WorkerSettings)]
    assert sorted(told) == ["APP_KEYS", "APP_PORT", "LOG_LEVEL", "WORKER_PORT", "WORKER_PROVIDERS"]


def test_settings_that_do_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """What several settings make wrong names them itself."""
    monkeypatch.setenv("APP_HOST", "0.0.0.0")
    assert [line.split()[0] for line in lines(AppSettings)] == ["APP_HOST=0.0.0.0"]


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        (AppSettings, "APP_KEYS", '{"secret/1": ["acme"]}'),
        (AppSettings, "APP_KEYS", '{"secret-1": "acme"}'),
        (AppSettings, "APP_KEYS", '{"acme": "secret-1"}'),
        (AppSettings, "APP_KEYS", '{"acme": ["secret-1"'),
        (AppSettings, "APP_KEYS", '{"acme": ["secret-1"], "other": ["secret-1"]}'),
        (AppSettings, "APP_KEYS", '{"acme": ["secret 1"]}'),
        (AppSettings, "APP_KEYS", '{"acme": [{"secret-1": 1}]}'),
        (AppSettings, "APP_KEYS", '{"acme": [{"name": "secret 1"}]}'),
        (AppSettings, "APP_KEYS", '{"acme": [{"sha256": "secret-1"}]}'),
        (WorkerSettings, "WORKER_PROVIDERS", '{"openai": {"keys": [{"secret-1": 2}]}}'),
        (WorkerSettings, "WORKER_PROVIDERS", '{"openai": {"keys": {"secret-1": 2}}}'),
        (WorkerSettings, "WORKER_PROVIDERS", '{"openai": "secret-1"}'),
        (WorkerSettings, "WORKER_PROVIDERS", '{"secret-1": 5}'),
        (WorkerSettings, "WORKER_PROVIDERS", "secret-1"),
        (AppSettings, "REDIS_URL", "http://:secret-1@host"),
        (AppSettings, "REDIS_URL", "redis://secret-1:secret-1"),
    ],
)
def test_no_value_of_a_secret(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseSettings], variable: str, value: str
) -> None:
    """A key is not shown, whatever it was put in the place of."""
    monkeypatch.setenv(variable, value)
    told = "\n".join(lines(kind))
    assert "secret" not in told
    assert variable in told


@pytest.mark.parametrize("level", ["debug", "Warning", "WARN", "CRITICAL"])
def test_levels(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """A level is taken in any case, and under the short name that logging knows."""
    monkeypatch.setenv("LOG_LEVEL", level)
    assert level.upper() in read_settings(AppSettings).log_level


@pytest.mark.parametrize("name", ["MODEL", "LOG_LEVEL", "REDIS_URL", "WORKER_PROVIDERS"])
def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A line of `.env` that nobody has filled in changes nothing."""
    monkeypatch.delenv(name, raising=False)
    before = read_settings(WorkerSettings)
    monkeypatch.setenv(name, "")
    assert read_settings(WorkerSettings) == before


@pytest.mark.parametrize("kind", [AppSettings, WorkerSettings])
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_agents_are_missing(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseSettings], value: str | None
) -> None:
    """The one setting without a default is told with what to write."""
    monkeypatch.delenv("AGENTS")
    if value is not None:
        monkeypatch.setenv("AGENTS", value)
    told = (
        "AGENTS is missing; set it in .env or the environment: AGENTS=desk, if desk.py has"
        " your list `agents`"
    )
    assert lines(kind) == [told]
    monkeypatch.setenv("AGENT", "desk")
    assert lines(kind) == [f"{told} (AGENT is given: did you mean AGENTS?)"]


def test_an_empty_value_stands_for_none_in_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who sets a variable to nothing for one command switches off what `.env` says."""
    (tmp_path / ".env").write_text("SERVICE_PREFIX=team\nMODEL=openai/other\n")
    assert read_settings(AppSettings).service_prefix == "team"
    monkeypatch.setenv("SERVICE_PREFIX", "")
    assert read_settings(AppSettings).service_prefix == ""
    assert read_settings(AppSettings).model == "openai/other"


@pytest.mark.parametrize(
    ("kind", "variable"),
    [
        (AppSettings, "APP_KEYS"),
        (WorkerSettings, "WORKER_IDENTITY_KEYS"),
        (WorkerSettings, "WORKER_IDENTITY_KEYS_FILE"),
    ],
)
def test_an_empty_secret(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseSettings], variable: str
) -> None:
    """A secret that got lost on its way opens no door."""
    monkeypatch.setenv(variable, "")
    monkeypatch.setenv("APP_ALLOW_NO_KEYS", "true")
    assert variable in lines(kind)[0]


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:1/2", "unix:///tmp/redis.sock"])
def test_addresses_of_redis(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Every kind of address that the client knows is taken."""
    monkeypatch.setenv("REDIS_URL", url)
    found = read_settings(WorkerSettings).redis_url
    assert found
    assert found.get_secret_value() == url


@pytest.mark.parametrize("kind", [AppSettings, GuardSettings, WorkerSettings])
def test_the_examples(kind: type[BaseSettings]) -> None:
    """What an error says to write is what `.env.example` has."""
    for variable, (_, field) in variables(kind).items():
        for example in field.examples or ():
            assert example == EXAMPLES[variable]


@pytest.mark.parametrize(
    ("module", "arguments", "variable"),
    [
        (outlast_app.__main__, [], "APP_PORT"),
        (outlast_worker.__main__, [], "WORKER_PORT"),
        (outlast_worker.__main__, ["register"], "WORKER_PORT"),
        (outlast_local.one_process, [], "WORKER_PORT"),
        (outlast_cli.__main__, ["up"], "APP_PORT"),
    ],
)
def test_commands(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: Any,
    arguments: list[str],
    variable: str,
) -> None:
    """Every command says it in the same lines, and ends."""
    monkeypatch.setattr("sys.argv", ["program", *arguments])
    monkeypatch.setenv(variable, "http")
    assert module.main() in (1, 2)
    told = capsys.readouterr().err
    assert re.fullmatch(
        rf"The settings are not valid:\n{variable} must be a whole number\n", told
    ), told
