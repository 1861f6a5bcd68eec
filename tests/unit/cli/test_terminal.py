"""At a terminal: text as it streams, decisions, Ctrl-C, a conversation."""

import json
from typing import Any

import pytest

from tests.fakes import wire
from tests.fakes.app_server import Document, ScriptedApp, Stream, problem
from tests.fakes.command_line import CTRL_C, CTRL_D, Terminal, run_command
from tests.fakes.wire import NOON, RUN_ID

START = "POST /agents/support/runs"
EVENTS = f"GET /runs/{RUN_ID}/events"
DECIDE = f"POST /runs/{RUN_ID}/approvals/1.0"
CALL = wire.event(
    2, "tool_call.started", turn=1, call_id="1.0", name="refund", arguments={"cents": 4990}
)
HALF = wire.live("tool_call.progress", call_id="1.0", done=1, total=2, message="half")
ERASE_LINE = "\x1b[2K"


def _waits(app: ScriptedApp, resolution: dict[str, Any] | None = None) -> None:
    """Script a run that waits for an approval, and goes on."""
    events = [wire.event(1, "run.started"), CALL, wire.approval_requested(3), wire.ended(4)]
    app.on(START, Stream(events, RUN_ID))
    run = wire.run("waiting", waiting_for="approval", approvals=[wire.approval(resolution)])
    app.on(f"GET /runs/{RUN_ID}", Document(run))
    app.on(DECIDE, Document({"call_id": "1.0", "action": "approve", "at": NOON}))


def test_live_text(app: ScriptedApp) -> None:
    """Text is shown as it streams; text of a call that broke off is taken away again."""
    shown = [wire.reset(), wire.delta("wrong text")]
    app.on(START, Stream([wire.event(1, "run.started"), *shown], RUN_ID, "held"))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("wrong text")
        rest = [wire.reset(), wire.delta("ri"), wire.delta("ght"), wire.message(2, "right")]
        app.on(EVENTS, Stream([*rest, wire.ended(3)], RUN_ID))
        app.release()
        assert terminal.wait() == 0
        before, _, after = terminal.shown.partition("right")
        assert before.rpartition("wrong text")[2].count(ERASE_LINE) >= 2
        assert "wrong text" not in after


def test_progress(app: ScriptedApp) -> None:
    """A tool's progress stands beside its call until the call has ended."""
    app.on(START, Stream([CALL, HALF], RUN_ID, "held"))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("1/2 half")


@pytest.mark.parametrize(
    ("typed", "body"),
    [
        (["a"], {"action": "approve"}),
        (["?", "approve"], {"action": "approve"}),
        (["r", "too much"], {"action": "reject", "reason": "too much"}),
        (["r", ""], {"action": "reject"}),
        (["e", '{"cents": 1}'], {"action": "approve", "arguments": {"cents": 1}}),
        (["e", "[1]", "a"], {"action": "approve"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_decisions(app: ScriptedApp, typed: list[str], body: dict[str, Any]) -> None:
    """Whoever sits at the terminal decides, and the run is followed on."""
    _waits(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        for count, line in enumerate(typed, start=1):
            terminal.wait_for(": ", times=terminal.shown.count(": ") if count > 1 else 1)
            terminal.wait_for("[l]ater")
            terminal.type(f"{line}\n")
        assert terminal.wait() == 0
        assert 'refund {"cents": 4990}' in terminal.shown
    assert [sent.body for sent in app.sent(DECIDE)] == [body]


def test_decided_elsewhere(app: ScriptedApp) -> None:
    """A call that somebody else decided on is not asked for, or the run just goes on."""
    _waits(app, {"call_id": "1.0", "action": "approve", "at": NOON})
    with Terminal(app.url, "run", "support", "x") as terminal:
        assert terminal.wait() == 0
    assert app.sent(DECIDE) == []


def test_decided_in_the_meantime(app: ScriptedApp) -> None:
    """A decision that comes too late is said to be, and the run is followed on."""
    _waits(app)
    app._answers[DECIDE].clear()
    app.on(DECIDE, problem(409, "Decided already", "It was rejected."))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater")
        terminal.type("a\n")
        assert terminal.wait() == 0
        assert "It was rejected." in terminal.shown


def test_later(app: ScriptedApp) -> None:
    """A decision can be left for later: the command ends with 4 and says how to make it."""
    _waits(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater")
        terminal.type("l\n")
        assert terminal.wait() == 4
        assert f"agents approve {RUN_ID} 1.0" in terminal.shown
    assert app.sent(DECIDE) == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nobody_to_ask(app: ScriptedApp, options: list[str]) -> None:
    """Without a terminal a run that waits ends the command with 4 and what to do."""
    _waits(app)
    ended = run_command(app.url, ["run", "support", "x", *options])
    assert ended.returncode == 4
    assert f"agents approve {RUN_ID} 1.0" in ended.stderr
    assert [json.loads(line)["seq"] for line in ended.stdout.splitlines() if options] == (
        [1, 2, 3] if options else []
    )


def test_watching_only(app: ScriptedApp) -> None:
    """Watching a run that waits goes on until it ends."""
    _waits(app)
    app.on(EVENTS, Stream([wire.approval_requested(1), wire.ended(2)], RUN_ID))
    assert run_command(app.url, ["watch", RUN_ID]).returncode == 0


def test_detach(app: ScriptedApp) -> None:
    """Ctrl-C stops the watching and nothing else."""
    app.on(START, Stream([wire.event(1, "run.started"), CALL, HALF], RUN_ID, "held"))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("1/2 half")
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        assert f"agents watch {RUN_ID} --after 2" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert {sent.line for sent in app.requests} == {START}


def test_conversation(app: ScriptedApp) -> None:
    """Each line is a run on one thread; Ctrl-D leaves and says how to go on."""
    app.on("GET /agents/support", Document(_AGENT))
    app.on(START, Stream([wire.message(1, "hello back"), wire.ended(2)], RUN_ID))
    with Terminal(app.url, "chat", "support") as terminal:
        for count in (1, 2):
            terminal.wait_for("> ", times=count)
            terminal.type("hello\n")
            terminal.wait_for("completed", times=count)
        terminal.wait_for("> ", times=3)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
        (thread_id,) = {sent.body["thread_id"] for sent in app.sent(START)}
        assert f"agents chat support --thread {thread_id}" in terminal.shown
    assert [sent.body["input"] for sent in app.sent(START)] == ["hello", "hello"]


def test_cancel_in_a_conversation(app: ScriptedApp) -> None:
    """Ctrl-C cancels the run in progress, and the conversation goes on."""
    app.on("GET /agents/support", Document(_AGENT))
    app.on(START, Stream([wire.event(1, "run.started"), CALL, HALF], RUN_ID, "held"))
    app.on(f"POST /runs/{RUN_ID}/cancel", Document(wire.run("running"), 202))
    app.on(EVENTS, Stream([wire.ended(3, "cancelled")], RUN_ID))
    with Terminal(app.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ")
        terminal.type("hello\n")
        terminal.wait_for("1/2 half")
        terminal.type(CTRL_C)
        terminal.wait_for("cancelled")
        terminal.wait_for("> ", times=2)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert app.sent(EVENTS)[0].headers["last-event-id"] == "2"


def test_leave_a_conversation(app: ScriptedApp) -> None:
    """A second Ctrl-C leaves while the cancelled run still ends."""
    app.on("GET /agents/support", Document(_AGENT))
    app.on(START, Stream([CALL, HALF], RUN_ID, "held"))
    app.on(f"POST /runs/{RUN_ID}/cancel", Document(wire.run("running"), 202))
    app.on(EVENTS, Stream([wire.event(3, "turn.started", turn=2)], RUN_ID, "held"))
    with Terminal(app.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ")
        terminal.type("hello\n")
        terminal.wait_for("1/2 half")
        terminal.type(CTRL_C)
        app.wait_for(EVENTS)
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
        assert "--thread mine" in terminal.shown


_AGENT = {
    "name": "support",
    "description": None,
    "model": "openai/x",
    "instructions": "",
    "context": [],
    "limits": {},
    "tools": [],
    "digest": "d",
}
