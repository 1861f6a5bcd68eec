"""What goes wrong is said in a sentence, whatever it is."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.command_line import environment
from fakes.wire import RUN_ID
from outlast_cli import catalog
from unit.cli.conftest import EVENTS, Outlast


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "\udcff"],
        ["steer", RUN_ID, "\udcff"],
        ["reject", RUN_ID, "1.0", "--reason", "\udcff"],
        ["--key", "\udcff", "list"],
        ["run", "support", "x", "--idempotency-key", "ü"],
        ["run", "support", "x", "--idempotency-key", "a\nb"],
        ["approve", RUN_ID, "1.0", "--arguments", '{"cents": 1e999}'],
        ["approve", RUN_ID, "1.0", "--arguments", '{"note": "\\ud800"}'],
    ],
    ids=ascii,
)
def test_what_nobody_can_send(app: ScriptedApp, outlast: Outlast, arguments: list[str]) -> None:
    """What neither a header nor JSON can carry is wrong usage, and is not sent."""
    ended = outlast(*arguments)
    assert (ended.code, ended.out, app.requests) == (2, "", [])
    assert ended.err
    assert "Traceback" not in ended.err


def test_input_that_is_not_text(app: ScriptedApp) -> None:
    """Bytes on standard input that are not text are refused."""
    ended = subprocess.run(
        [sys.executable, "-m", "outlast_cli", "run", "support", "-"],
        env={**environment(app.url), "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:strict"},
        input=b"\xff",
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, app.requests) == (2, [])
    assert b"standard input is not text" in ended.stderr


def test_nobody_reads(app: ScriptedApp) -> None:
    """Whoever stops reading, as `head` does, ends the command quietly."""
    events = [wire.message(number, "said " * 1000) for number in range(1, 200)]
    app.on(EVENTS, Stream([*events, wire.ended(200)], RUN_ID))
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "outlast_cli", "watch", RUN_ID, "--json"]
    ended = subprocess.run(
        command,
        env=environment(app.url),
        stdout=written,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(written)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_stream_without_a_name(app: ScriptedApp, outlast: Outlast) -> None:
    """An answer that does not say which run it is of is not one of this interface."""
    app.on("POST /agents/support/runs", Stream([wire.ended(1)], names_run=False))
    ended = outlast("run", "support", "x")
    assert (ended.code, ended.err) == (1, f"{app.url} sends no events.\n")


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of another package that nobody has tried."""
    plug_in = EntryPoint("init", "unit.cli.test_errors:fail", catalog.PLUG_INS)
    monkeypatch.setattr(catalog, "entry_points", lambda group: EntryPoints([plug_in]))


def fail() -> None:
    """Fail."""
    raise ZeroDivisionError("by zero")


@pytest.mark.usefixtures("fails")
def test_what_nobody_foresaw(outlast: Outlast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the command itself is a sentence, and how to see more of it."""
    ended = outlast("init")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("outlast could not go on: ZeroDivisionError: by zero.")
    assert "OUTLAST_TRACEBACK=1" in ended.err
    monkeypatch.setenv("OUTLAST_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        outlast("init")


def test_an_answer_in_pieces(app: ScriptedApp, outlast: Outlast) -> None:
    """A body that is not what its headers say is the server's fault, in a sentence."""
    app.on("GET /agents", Document({"items": []}, headers={"content_encoding": "gzip"}))
    ended = outlast("list")
    assert ended.code == 3
    assert app.url in ended.err
    assert "Traceback" not in ended.err
