"""A run's events arrive once each, in order, whatever happens to connections."""

import json
from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, Drop, ScriptedApp, Stream, problem
from fakes.wire import RUN_ID
from outlast_cli import patience, stream
from unit.cli.conftest import Ended, Outlast

START = "POST /agents/support/runs"
EVENTS = f"GET /runs/{RUN_ID}/events"
STARTED = wire.event(1, "run.started")
BUSY = problem(503, "Restate can't be reached", "Try again.")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_DELAYS_S", (0.01, 0.05))


def _lines(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.split("\n") if line]


def test_start(app: ScriptedApp, outlast: Outlast) -> None:
    """A run is started with its options, streamed, under a key of its own."""
    events = [STARTED, wire.delta("h"), wire.message(2, "hi"), wire.ended(3)]
    app.on(START, Stream(events, RUN_ID))
    options = ["--thread", "t", "--on-busy", "steer", "--context", "company=A=B"]
    options += ["--metadata", "k=v", "--max-turns", "3", "--json", "--instructions", "In rhymes."]
    options += ["--option", "temperature=0.5", "--option", "reasoning_effort=low"]
    options += ["--limit", "max_cost_usd=0.5"]
    ended = outlast("run", "support", "hello", *options)
    assert (ended.code, ended.err) == (0, "")
    assert _lines(ended) == events
    (sent,) = app.sent(START)
    assert sent.headers["accept"] == "text/event-stream"
    assert sent.headers["idempotency-key"]
    assert sent.body == {
        "input": "hello",
        "thread_id": "t",
        "on_busy": "steer",
        "context": {"company": "A=B"},
        "metadata": {"k": "v"},
        "limits": {"max_turns": 3, "max_cost_usd": 0.5},
        "instructions": "In rhymes.",
        "options": {"temperature": 0.5, "reasoning_effort": "low"},
    }


@pytest.mark.parametrize("first", [Drop(), BUSY], ids=["dropped", "503"])
def test_a_broken_start(app: ScriptedApp, outlast: Outlast, first: Any) -> None:
    """A start without an answer is asked for again, with the same key and body."""
    app.on(START, first, Stream([STARTED, wire.ended(2)], RUN_ID))
    assert outlast("run", "support", "-", said="hello").code == 0
    one, two = app.sent(START)
    assert one.headers["idempotency-key"] == two.headers["idempotency-key"]
    assert one.body == two.body == {"input": "hello"}


def test_the_callers_key(app: ScriptedApp, outlast: Outlast) -> None:
    """A key of the caller is used as it is."""
    app.on(START, Stream([wire.ended(1)], RUN_ID))
    assert outlast("run", "support", "x", "--idempotency-key", "mine").code == 0
    assert app.sent(START)[0].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize("ending", ["cut", "whole"])
@pytest.mark.parametrize("between", [[], [Drop()], [BUSY, BUSY]], ids=["", "dropped", "503"])
def test_reconnect(app: ScriptedApp, outlast: Outlast, ending: str, between: list[Any]) -> None:
    """A stream that ends too early goes on after its last committed event; none comes twice."""
    app.on(START, Stream([STARTED, wire.event(2, "turn.started", turn=1)], RUN_ID, ending))
    rest = [wire.event(2, "turn.started", turn=1), wire.message(3, "hi"), wire.ended(4)]
    app.on(EVENTS, *between, Stream(rest, RUN_ID))
    ended = outlast("run", "support", "x", "--json")
    assert [event["seq"] for event in _lines(ended)] == [1, 2, 3, 4]
    assert len(app.sent(START)) == 1
    assert {sent.headers["last-event-id"] for sent in app.sent(EVENTS)} == {"2"}
    assert len(app.sent(EVENTS)) == len(between) + 1


def test_nothing_left(app: ScriptedApp, outlast: Outlast) -> None:
    """A run without further events is read itself, for its end."""
    app.on(EVENTS, Document(status=204))
    app.on(f"GET /runs/{RUN_ID}", Document(wire.run("failed")))
    ended = outlast("watch", RUN_ID, "--after", "9")
    assert ended.code == 1
    assert ended.out.startswith("failed")
    assert app.sent(EVENTS)[0].headers["last-event-id"] == "9"
    assert outlast("watch", RUN_ID, "--json").out == ""


def test_children(app: ScriptedApp, outlast: Outlast) -> None:
    """Runs below are shown with whose lines they are; a broken stream goes on at its position."""
    child = {"run_id": "scout.aaaaaaaaaaaaaaaaaaaaaaaaaa"}
    told = wire.event(
        1, "child.started", call_id="1.0", child_run_id=child["run_id"], agent="scout"
    )
    first = [told, {**wire.message(1, "Much."), **child}]
    rest = [{**wire.ended(2), **child}, wire.message(2, "Go!"), wire.ended(3)]
    streams = [Stream(first, position="a.", ending="cut"), Stream(rest, position="b.")]
    app.on(EVENTS, *streams)
    shown = outlast("watch", RUN_ID, "--children").out.splitlines()
    assert shown[2:5] == ["  scout 1.0 · Much.", shown[3], "Go!"]
    assert shown[3].startswith("  scout 1.0 · completed")
    assert [sent.headers["last-event-id"] for sent in app.sent(EVENTS)] == ["0", "a.1"]
    assert {sent.line for sent in app.sent(EVENTS)} == {f"{EVENTS}?children=true"}
    assert outlast("watch", RUN_ID, "--children", "--after", "a.1", "--json").code == 0
    assert app.sent(EVENTS)[-1].headers["last-event-id"] == "a.1"
    assert outlast("watch", RUN_ID, "--after", "a.1").code == 2


@pytest.mark.parametrize("command", [("run", "support", "Go"), ("fork", RUN_ID, "1")])
def test_children_of_a_run_that_is_started(
    app: ScriptedApp, outlast: Outlast, command: tuple[str, ...]
) -> None:
    """A start has its own events alone, so those of all are asked for once it is known."""
    child = {"run_id": "scout.aaaaaaaaaaaaaaaaaaaaaaaaaa"}
    told = wire.event(
        1, "child.started", call_id="1.0", child_run_id=child["run_id"], agent="scout"
    )
    app.on(START, Document(wire.run("queued"), 202))
    app.on(f"POST /runs/{RUN_ID}/fork", Document(wire.run("queued"), 202))
    app.on(EVENTS, Stream([told, {**wire.message(1, "Much."), **child}, wire.ended(2)]))
    shown = outlast(*command, "--children").out.splitlines()
    assert shown[0] == f"run {RUN_ID}"
    assert shown[2] == "  scout 1.0 · Much."
    [asked] = app.sent(EVENTS)
    assert asked.line == f"{EVENTS}?children=true"
    [started] = app.sent(START) + app.sent(f"POST /runs/{RUN_ID}/fork")
    assert started.headers["prefer"] == "respond-async"


@pytest.mark.parametrize("status", ["failed", "cancelled", "incomplete"])
def test_other_ends(app: ScriptedApp, outlast: Outlast, status: str) -> None:
    """A run that does not complete ends the command with 1, and says why."""
    error = {"type": "internal", "message": "it broke", "retryable": False}
    app.on(START, Stream([wire.ended(1, status, error=error)], RUN_ID))
    ended = outlast("run", "support", "x")
    assert ended.code == 1
    assert ended.out.startswith(f"run {RUN_ID}\n{status}: internal: it broke")


def test_broken_off_text(app: ScriptedApp, outlast: Outlast) -> None:
    """A pipe gets committed text only: nothing of a model call that broke off."""
    events = [wire.reset(), wire.delta("wrong"), wire.reset(), wire.delta("ri")]
    app.on(START, Stream([STARTED, *events, wire.message(2, "right"), wire.ended(3)], RUN_ID))
    ended = outlast("run", "support", "x")
    assert "wrong" not in ended.out
    assert ended.out.count("right") == 1


def test_a_newer_server(app: ScriptedApp, outlast: Outlast) -> None:
    """Events, fields and words that are not known yet are passed on, or left out for a person."""
    events = [{**STARTED, "more": 1}, wire.event(2, "weather", to="b"), live := wire.live("x.y")]
    answered = wire.event(3, "approval.resolved", call_id="1.0", action="answered", at=wire.NOON)
    ended_run = wire.ended(4, incomplete_reason="max_joy", more=1)
    app.on(START, Stream([*events, answered, ended_run], RUN_ID))
    ended = outlast("run", "support", "x", "--json")
    assert _lines(ended)[1:3] == [events[1], live]
    shown = outlast("run", "support", "x")
    assert (shown.code, "! 1.0 answered" in shown.out, "max_joy" in shown.out) == (0, True, True)


def test_odd_line_ends(app: ScriptedApp, outlast: Outlast) -> None:
    """Characters that other formats take for line ends don't break an event."""
    said = "a\u2028b\x85c\x0bd"
    app.on(START, Stream([wire.message(1, said), wire.ended(2)], RUN_ID))
    assert _lines(outlast("run", "support", "x", "--json"))[0]["message"]["content"] == said


def test_terminal_control(app: ScriptedApp, outlast: Outlast) -> None:
    """What a model says can't command the terminal."""
    said = "a\x1b[2Jb\x9bc [red]d \u202e001"
    app.on(START, Stream([wire.message(1, said), wire.ended(2)], RUN_ID))
    assert "a[2Jbc [red]d 001\n" in outlast("run", "support", "x").out


def test_a_refused_start(app: ScriptedApp, outlast: Outlast) -> None:
    """A problem is said once, on standard error, with its detail."""
    app.on(START, problem(404, "There is no agent of this name", "The agents are: a, b."))
    ended = outlast("run", "support", "x", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "There is no agent of this name. The agents are: a, b.\n"
    assert len(app.sent(START)) == 1


def test_something_else_answers(app: ScriptedApp, outlast: Outlast) -> None:
    """A server that sends no events is not asked for ever."""
    app.on(START, Document({"hello": "there"}))
    ended = outlast("run", "support", "x")
    assert (ended.code, ended.err) == (1, f"{app.url} sends no events.\n")


def test_nobody_there(app: ScriptedApp, outlast: Outlast) -> None:
    """Without a server there is no waiting: it is said how to start one."""
    app.stop()
    for command in (["run", "support", "x"], ["list"], ["cancel", RUN_ID], ["watch", RUN_ID]):
        ended = outlast(*command)
        assert (ended.code, ended.out) == (3, "")
        assert f"No answer from {app.url}" in ended.err
        assert "`outlast dev` or `outlast up` starts an app here" in ended.err


def test_gone_for_good(app: ScriptedApp, outlast: Outlast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is lost is waited for, which is said, and given up after a while."""
    monkeypatch.setattr(stream, "_GIVE_UP_AFTER_S", 0.3)
    monkeypatch.setattr(patience, "_SAY_AFTER_S", 0.1)
    app.on(EVENTS, Stream([STARTED], RUN_ID, "cut"), Drop())
    ended = outlast("watch", RUN_ID)
    assert ended.code == 3
    assert ended.err.count("Trying again …") == 1
    assert len(app.sent(EVENTS)) > 3


def test_overloaded_for_long(
    app: ScriptedApp, outlast: Outlast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that only ever says 503 has answered: the command says what."""
    monkeypatch.setattr(stream, "_GIVE_UP_AFTER_S", 0.1)
    app.on(EVENTS, BUSY)
    ended = outlast("watch", RUN_ID)
    assert (ended.code, ended.err) == (1, "Restate can't be reached. Try again.\n")
