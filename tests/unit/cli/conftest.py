"""The command line in this process, and a scripted app for it."""

import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.wire import NOON, RUN_ID
from outlast_cli.__main__ import main

START = "POST /agents/support/runs"
EVENTS = f"GET /runs/{RUN_ID}/events"
DECIDE = f"POST /runs/{RUN_ID}/approvals/1.0"
CALL = wire.event(
    2, "tool_call.started", turn=1, call_id="1.0", name="refund", arguments={"cents": 4990}
)
AGENT = {
    "name": "support",
    "description": None,
    "model": "openai/x",
    "instructions": "",
    "context": [],
    "limits": {},
    "tools": [],
    "digest": "d",
}
HALF = wire.live("tool_call.progress", call_id="1.0", done=1, total=2, message="half")


class Ended(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


Outlast = Callable[..., Ended]


def waits(app: ScriptedApp, resolution: dict[str, Any] | None = None) -> None:
    """Script a run that waits for an approval, and goes on."""
    events = [wire.event(1, "run.started"), CALL, wire.approval_requested(3), wire.ended(4)]
    app.on(START, Stream(events, RUN_ID))
    run = wire.run("waiting", waiting_for="approval", approvals=[wire.approval(resolution)])
    app.on(f"GET /runs/{RUN_ID}", Document(run))
    app.on(DECIDE, Document({"call_id": "1.0", "action": "approve", "at": NOON}))


@pytest.fixture
def app() -> Iterator[ScriptedApp]:
    """The scripted app."""
    with ScriptedApp.start() as running:
        yield running


@pytest.fixture
def outlast(
    app: ScriptedApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Outlast:
    """Run a command against the scripted app, with pipes."""
    monkeypatch.setenv("OUTLAST_URL", app.url)
    monkeypatch.setenv("LOGNAME", "ann")
    for name in ("OUTLAST_KEY", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
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


@pytest.fixture
def support(app: ScriptedApp) -> ScriptedApp:
    """An app with an agent to talk with."""
    app.on("GET /agents/support", Document(AGENT))
    return app
