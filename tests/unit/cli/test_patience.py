"""How long a request is tried again."""

import time

import pytest

from outlast_cli.errors import Refused
from outlast_cli.patience import Patience


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, each time; no time passes."""
    delays: list[float] = []
    monkeypatch.setattr(time, "sleep", delays.append)
    return delays


def limit(retry_after_s: float) -> Refused:
    return Refused("The key desk may start 2 runs a minute.", 429, retry_after_s)


def test_as_long_as_the_server_asks(slept: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """A wait that somebody notices is explained before it begins."""
    Patience(300).wait(limit(40))
    assert slept == [40]
    assert capsys.readouterr().err == "The key desk may start 2 runs a minute. Trying again …\n"


def test_a_short_wait(slept: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """A wait that nobody notices is not."""
    Patience(10).wait(limit(1))
    assert (slept, capsys.readouterr().err) == ([1], "")


def test_longer_than_anybody_waits(slept: list[float]) -> None:
    """What can't do better in time is said at once."""
    with pytest.raises(Refused, match="2 runs a minute"):
        Patience(10).wait(limit(40))
    assert slept == []
