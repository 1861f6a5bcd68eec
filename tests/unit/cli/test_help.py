"""What the command says of itself."""

from importlib import metadata

import pytest

from unit.cli.conftest import Outlast


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["get", "--help"]])
def test_help(outlast: Outlast, arguments: list[str]) -> None:
    """Help names the exit codes."""
    assert "Exit codes: 0 ok" in outlast(*arguments).out


def test_help_is_as_wide_as_the_terminal(outlast: Outlast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines don't end where those of the code do."""
    monkeypatch.setenv("COLUMNS", "200")
    assert (
        "shows how it went on last. Its runs that have not ended" in outlast("chat", "--help").out
    )


def test_version(outlast: Outlast) -> None:
    """It says which one is installed, which whoever reports a fault is asked for."""
    shown = outlast("--version")
    assert (shown.code, shown.out) == (0, f"outlast {metadata.version('outlast')}\n")
