"""A run that stands still, at a terminal: why, and what to do."""

from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.command_line import CTRL_C, Terminal
from fakes.wire import RUN_ID
from outlast_cli import lookout
from unit.cli.conftest import CALL, EVENTS, START, Outlast

RUN = f"GET /runs/{RUN_ID}"
STARTED = [wire.event(1, "run.started"), wire.event(2, "turn.started", turn=1)]
FAILING = {"attempts": 3, "last_failure": "it broke", "next_retry_at": None}


@pytest.mark.parametrize(
    ("command", "events", "run", "said"),
    [
        (
            ["run", "support", "x"],
            [],
            wire.run("queued", engine=FAILING),
            "no worker has taken it yet; attempt 3 failed: it broke",
        ),
        (["watch", RUN_ID], STARTED, wire.run("running"), "no worker answers"),
        (
            ["watch", RUN_ID],
            [*STARTED, {**CALL, "seq": 3}],
            wire.run("running", messages=[]),
            "refund (2 s)",
        ),
    ],
    ids=["queued", "no-worker", "tool"],
)
def test_why(
    app: ScriptedApp,
    command: list[str],
    events: list[dict[str, Any]],
    run: dict[str, Any],
    said: str,
) -> None:
    """Whoever waits is told why, after a moment; Ctrl-C leaves the run as ever."""
    for line in (START, EVENTS):
        app.on(line, Stream(events, RUN_ID, "held"))
    app.on(RUN, Document(run))
    with Terminal(app.url, *command) as terminal:
        terminal.wait_for(said)
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.shown


def test_a_server_that_cannot_say(app: ScriptedApp) -> None:
    """A question without an answer disturbs nobody: the events say what they can."""
    app.on(START, Stream(STARTED, RUN_ID, "held"))
    with Terminal(app.url, "run", "support", "x") as terminal:
        app.wait_for(RUN)
        terminal.wait_for("the model is thinking (2 s)")
        app.on(EVENTS, Stream([wire.message(3, "hello"), wire.ended(4)], RUN_ID))
        app.release()
        assert terminal.wait() == 0
        assert "hello" in terminal.shown


def test_paused(app: ScriptedApp) -> None:
    """A paused run says once how to resume it, on a line that stays."""
    app.on(EVENTS, Stream(STARTED, RUN_ID, "held"))
    app.on(RUN, Document(wire.run("paused", engine=FAILING)))
    with Terminal(app.url, "watch", RUN_ID) as terminal:
        terminal.wait_for(f"outlast resume {RUN_ID}")
        terminal.wait_for("paused; attempt 3 failed: it broke")
        asked = len(app.sent(RUN))
        app.wait_for(RUN, times=asked + 1)
        app.on(RUN, Document(wire.run("running", messages=[])))
        terminal.wait_for("the model is thinking")
        assert terminal.shown.count("outlast resume") == 1


@pytest.mark.parametrize("options", [[], ["--after", "3"]], ids=" ".join)
def test_watching_a_run_that_waits(app: ScriptedApp, options: list[str]) -> None:
    """Who only watches gets the commands to decide, and which tools wait."""
    events = [*STARTED, wire.approval_requested(3)]
    app.on(EVENTS, Stream(events, RUN_ID, "held"))
    approvals = [wire.approval()]
    waiting = wire.run("waiting", waiting_for="approval", approvals=approvals, messages=[])
    app.on(RUN, Document(waiting))
    with Terminal(app.url, "watch", RUN_ID, *options) as terminal:
        terminal.wait_for(f"outlast approve {RUN_ID} 1.0")
        terminal.wait_for("waits for approval of refund")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["pipe", "json"])
def test_a_script(
    app: ScriptedApp, outlast: Outlast, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """A script gets the run and nothing else: nobody asks why it stands still."""
    monkeypatch.setattr(lookout, "QUIET_S", 0.02)
    app.on(START, Stream(STARTED, RUN_ID, silence_s=0.3))
    app.on(EVENTS, Stream([wire.ended(3)], RUN_ID))
    assert outlast("run", "support", "x", *options).code == 0
    assert app.sent(RUN) == []
