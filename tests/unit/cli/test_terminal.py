"""A run at a terminal: text as it streams, decisions, Ctrl-C."""

import json
import signal
from typing import Any

import pytest
from rich.live import Live

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream, problem
from fakes.command_line import CTRL_C, CTRL_D, Terminal, run_command
from fakes.wire import NOON, RUN_ID
from outlast_cli.view import Screen
from unit.cli.conftest import CALL, DECIDE, EVENTS, HALF, START, waits

ERASE_LINE = "\x1b[2K"


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
    waits(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        for count, line in enumerate(typed, start=1):
            terminal.wait_for(": ", times=terminal.shown.count(": ") if count > 1 else 1)
            terminal.wait_for("[l]ater: ")
            terminal.type(f"{line}\n")
        assert terminal.wait() == 0
        assert 'refund {"cents": 4990}' in terminal.shown
    assert [sent.body for sent in app.sent(DECIDE)] == [{**body, "by": "ann"}]


def test_typed_before_the_question(app: ScriptedApp) -> None:
    """Nobody approves what was not shown yet."""
    waits(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.type("a\n")
        terminal.wait_for("[l]ater: ")
        terminal.type("l\n")
        assert terminal.wait() == 4
    assert app.sent(DECIDE) == []


def test_no_worker(app: ScriptedApp) -> None:
    """A run that nothing is heard of is named at once, and why a moment later."""
    app.on(START, Stream([], RUN_ID, "held"))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for(f"run {RUN_ID}")
        terminal.wait_for("no worker has taken it yet")


def test_decided_elsewhere(app: ScriptedApp) -> None:
    """A call that somebody else decided on is not asked for, or the run just goes on."""
    waits(app, {"call_id": "1.0", "action": "approve", "at": NOON})
    with Terminal(app.url, "run", "support", "x") as terminal:
        assert terminal.wait() == 0
    assert app.sent(DECIDE) == []


def test_decided_in_the_meantime(app: ScriptedApp) -> None:
    """A decision that comes too late is said to be, and the run is followed on."""
    waits(app)
    app._answers[DECIDE].clear()
    app.on(DECIDE, problem(409, "Decided already", "It was rejected."))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater: ")
        terminal.type("a\n")
        assert terminal.wait() == 0
        assert "It was rejected." in terminal.shown


def test_refused_arguments(app: ScriptedApp) -> None:
    """Arguments that the server refuses are said to be wrong, and asked for again."""
    waits(app)
    app._answers[DECIDE].clear()
    refused = problem(422, "The request is not valid", "arguments.cents: no integer")
    app.on(DECIDE, refused, Document({"call_id": "1.0", "action": "approve", "at": NOON}))
    with Terminal(app.url, "run", "support", "x") as terminal:
        for count, arguments in enumerate(['{"cents": "q"}', '{"cents": 1}'], start=1):
            terminal.wait_for("[l]ater: ", times=count)
            terminal.type("e\n")
            terminal.wait_for("Arguments [", times=count)
            terminal.type(f"{arguments}\n")
        assert terminal.wait() == 0
        assert "arguments.cents: no integer" in terminal.shown
    assert [sent.body["arguments"] for sent in app.sent(DECIDE)] == [{"cents": "q"}, {"cents": 1}]


@pytest.mark.parametrize(
    ("typed", "questions"),
    [
        ("l\n", []),
        (CTRL_D, []),
        (CTRL_D, [("r\n", "Reason: ")]),
        (CTRL_D, [("e\n", "Arguments [")]),
    ],
    ids=["l", "Ctrl-D", "Ctrl-D-reason", "Ctrl-D-arguments"],
)
def test_later(app: ScriptedApp, typed: str, questions: list[tuple[str, str]]) -> None:
    """A decision can be left for later: the command ends with 4 and says how to make it."""
    waits(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater: ")
        for answer, question in questions:
            terminal.type(answer)
            terminal.wait_for(question)
        terminal.type(typed)
        assert terminal.wait() == 4
        assert f"outlast approve {RUN_ID} 1.0" in terminal.shown
    assert app.sent(DECIDE) == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nobody_to_ask(app: ScriptedApp, options: list[str]) -> None:
    """Without a terminal a run that waits ends the command with 4 and what to do."""
    waits(app)
    ended = run_command(app.url, ["run", "support", "x", *options])
    assert ended.returncode == 4
    assert f"outlast approve {RUN_ID} 1.0" in ended.stderr
    assert [json.loads(line)["seq"] for line in ended.stdout.splitlines() if options] == (
        [1, 2, 3] if options else []
    )


def test_watching_only(app: ScriptedApp) -> None:
    """Watching a run that waits goes on until it ends."""
    waits(app)
    app.on(EVENTS, Stream([wire.approval_requested(1), wire.ended(2)], RUN_ID))
    assert run_command(app.url, ["watch", RUN_ID]).returncode == 0


def test_detach(app: ScriptedApp) -> None:
    """Ctrl-C stops the watching and nothing else."""
    app.on(START, Stream([wire.event(1, "run.started"), CALL, HALF], RUN_ID, "held"))
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("1/2 half")
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        assert f"outlast watch {RUN_ID} --after 2" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert {sent.line for sent in app.requests} == {START}


@pytest.mark.parametrize("answers", [[], [("r\n", "Reason: ")], [("e\n", "Arguments [")]])
def test_detach_at_the_question(app: ScriptedApp, answers: list[tuple[str, str]]) -> None:
    """Ctrl-C instead of a decision stops the watching and nothing else, too."""
    waits(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater: ")
        for answer, question in answers:
            terminal.type(answer)
            terminal.wait_for(question)
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        assert "the run goes on" in terminal.shown
        assert f"outlast watch {RUN_ID} --after 3" in terminal.shown
        assert "Aborted" not in terminal.shown
    assert {sent.line for sent in app.requests} == {START, f"GET /runs/{RUN_ID}"}


def test_interrupted_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the display starts lets it start, so that it can be stopped."""
    start, started = Live.start, list[Live]()

    def start_interrupted(live: Live) -> None:
        signal.raise_signal(signal.SIGINT)
        start(live)
        started.append(live)

    monkeypatch.setattr(Live, "start", start_interrupted)
    nothing_comes: Any = None
    with pytest.raises(KeyboardInterrupt), Screen(lambda: None, nothing_comes, asks=False):
        pass
    assert [live.is_started for live in started] == [False]
