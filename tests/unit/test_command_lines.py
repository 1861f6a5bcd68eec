"""A process that can't start says why, in words for whoever runs it."""

from pathlib import Path
from typing import Any

import pytest

import outlast_app.__main__
import outlast_worker.__main__

pytestmark = pytest.mark.usefixtures("logging_as_before")


@pytest.mark.parametrize("module", [outlast_app.__main__, outlast_worker.__main__])
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AGENTS", "no_such_module", "AGENTS=no_such_module: there is no such module"),
        ("MODEL", "gpt-5", "write provider/model"),
        ("APP_PORT WORKER_PORT", "http", "The settings are not valid"),
        ("APP_KEYS WORKER_PROVIDERS", "secret-1", "The settings are not valid"),
    ],
)
def test_what_stops_a_process(
    module: Any,
    variable: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A setting or an agent that can't work ends the process with its name and no trace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["program"])
    for name in variable.split():
        monkeypatch.setenv(name, value)
    assert module.main() == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
    assert "secret-" not in printed
