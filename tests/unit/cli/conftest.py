"""The command line in this process, and a scripted app for it."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cli.__main__ import main
from tests.fakes.app_server import ScriptedApp


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str


Agents = Callable[..., Ended]


@pytest.fixture
def app() -> Iterator[ScriptedApp]:
    """The scripted app."""
    with ScriptedApp.start() as running:
        yield running


@pytest.fixture
def agents(
    app: ScriptedApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Agents:
    """Run a command against the scripted app, with pipes."""
    monkeypatch.setenv("AGENTS_URL", app.url)
    for name in ("AGENTS_KEY", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, said: str = "") -> Ended:
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    return run
