"""A conversation at a terminal: lines, Ctrl-C, decisions, and what was left open before."""

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.command_line import CTRL_C, CTRL_D, Terminal, run_command
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import AGENT, CALL, DECIDE, EVENTS, HALF, START, waits

NEXT_ID = "support.bbbbbbbbbbbbbbbbbbbbbbbbbb"
CANCEL = f"POST /runs/{RUN_ID}/cancel"
THREAD = {
    "thread_id": "mine",
    "status": "busy",
    "run_id": RUN_ID,
    "queued": [],
    "message_count": 1,
    "created_at": NOON,
    "updated_at": NOON,
}


def test_conversation(support: ScriptedApp) -> None:
    """Each line is a run on one thread; Ctrl-D leaves and says how to go on."""
    support.on(START, Stream([wire.message(1, "hello back"), wire.ended(2)], RUN_ID))
    with Terminal(support.url, "chat", "support") as terminal:
        for count in (1, 2):
            terminal.wait_for("> ", times=count)
            terminal.type("hello\n")
            terminal.wait_for("completed", times=count)
        terminal.wait_for("> ", times=3)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
        (thread_id,) = {sent.body["thread_id"] for sent in support.sent(START)}
        assert f"outlast chat support --thread {thread_id}" in terminal.shown
    assert [sent.body["input"] for sent in support.sent(START)] == ["hello", "hello"]


def test_cancel_in_a_conversation(support: ScriptedApp) -> None:
    """Ctrl-C cancels the run in progress, and the conversation goes on."""
    support.on(START, Stream([wire.event(1, "run.started"), CALL, HALF], RUN_ID, "held"))
    support.on(f"POST /runs/{RUN_ID}/cancel", Document(wire.run("running"), 202))
    support.on(EVENTS, Stream([wire.ended(3, "cancelled")], RUN_ID))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ")
        terminal.type("hello\n")
        terminal.wait_for("1/2 half")
        terminal.type(CTRL_C)
        terminal.wait_for("cancelled")
        terminal.wait_for("> ", times=2)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert support.sent(EVENTS)[0].headers["last-event-id"] == "2"


def test_leave_a_conversation(support: ScriptedApp) -> None:
    """A second Ctrl-C leaves while the cancelled run still ends."""
    support.on(START, Stream([CALL, HALF], RUN_ID, "held"))
    support.on(f"POST /runs/{RUN_ID}/cancel", Document(wire.run("running"), 202))
    support.on(EVENTS, Stream([wire.event(3, "turn.started", turn=2)], RUN_ID, "held"))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ")
        terminal.type("hello\n")
        terminal.wait_for("1/2 half")
        terminal.type(CTRL_C)
        support.wait_for(EVENTS)
        terminal.type(CTRL_C)
        assert terminal.wait() == 0
        assert "--thread mine" in terminal.shown


def test_cancel_at_the_question(support: ScriptedApp) -> None:
    """Ctrl-C instead of a decision cancels the run, asks no more, and the conversation goes on."""
    waits(support)
    support.on(CANCEL, Document(wire.run("running"), 202))
    other = wire.event(4, "approval.requested", call_id="1.1", name="refund", arguments={})
    support.on(EVENTS, Stream([wire.approval_requested(3), other, wire.ended(5, "cancelled")]))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ")
        terminal.type("hello\n")
        terminal.wait_for("[l]ater: ")
        terminal.type(CTRL_C)
        terminal.wait_for("> ", times=2)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
        assert "Aborted" not in terminal.shown
        assert terminal.shown.count("? 1.0 refund") == terminal.shown.count("[l]ater") == 1
    assert len(support.sent(CANCEL)) == 1
    assert support.sent(DECIDE) == []


@pytest.mark.parametrize("typed", ["l\n", CTRL_D], ids=["l", "Ctrl-D"])
def test_later(support: ScriptedApp, typed: str) -> None:
    """A decision left for later ends the conversation with 4, and how to decide and to go on."""
    waits(support)
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ")
        terminal.type("hello\n")
        terminal.wait_for("[l]ater: ")
        terminal.type(typed)
        assert terminal.wait() == 4
        assert "outlast chat support --thread mine" in terminal.shown
        assert f"outlast approve {RUN_ID} 1.0" in terminal.shown
    assert support.sent(CANCEL) == []


def test_context_that_is_missing(app: ScriptedApp) -> None:
    """What the agent needs is said before somebody types."""
    app.on("GET /agents/support", Document({**AGENT, "context": ["company", "city"]}))
    ended = run_command(app.url, ["chat", "support", "--context", "city=Rome"], "hello\n")
    assert ended.returncode == 2
    assert "company=…" in ended.stderr
    assert "city=…" not in ended.stderr
    assert app.sent(START) == []


def test_what_was_left_open(support: ScriptedApp) -> None:
    """Runs that have not ended come first: their questions, the answers of those behind them."""
    waits(support)
    support.on("GET /threads/mine", Document({**THREAD, "queued": [NEXT_ID]}))
    asked = [wire.event(1, "run.started"), CALL, wire.approval_requested(3)]
    support.on(EVENTS, Stream([*asked, wire.message(4, "refunded"), wire.ended(5)]))
    answered = [wire.message(1, "hello back"), wire.ended(2)]
    support.on(f"GET /runs/{NEXT_ID}/events", Stream(answered))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("[l]ater: ")
        assert f"{RUN_ID}, which has not ended" in terminal.shown
        assert "> " not in terminal.shown
        terminal.type("a\n")
        terminal.wait_for("> ")
        assert terminal.shown.index("refunded") < terminal.shown.index("hello back")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert [sent.body for sent in support.sent(DECIDE)] == [{"action": "approve", "by": "ann"}]
    assert support.sent(START) == []


def test_one_question_at_a_time(support: ScriptedApp) -> None:
    """A run seen from its start asks for what still waits, where it has got to."""
    decided = {"call_id": "1.0", "action": "approve", "at": NOON}
    later = wire.approval(call_id="2.0", arguments={"cents": 7})
    run = wire.run("waiting", waiting_for="approval", approvals=[wire.approval(decided), later])
    support.on(f"GET /runs/{RUN_ID}", Document(run))
    support.on("GET /threads/mine", Document(THREAD))
    second = {"call_id": "2.0", "name": "refund", "arguments": {"cents": 7}}
    requested = wire.event(3, "approval.requested", **second)
    resolved = wire.event(2, "approval.resolved", **decided)
    support.on(EVENTS, Stream([wire.approval_requested(1), resolved, requested], ending="held"))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("[l]ater: ")
        assert terminal.shown.index("? 2.0 refund") < terminal.shown.index("[l]ater")
        terminal.type("l\n")
        assert terminal.wait() == 4


@pytest.mark.parametrize("command", [["chat", "support"], ["run", "support", "hello"]])
def test_behind_a_run_that_waits(support: ScriptedApp, command: list[str]) -> None:
    """Whoever waits behind a run that waits for a person is told so, and how to decide."""
    queued = {**wire.event(1, "run.queued"), "run_id": NEXT_ID}
    support.on(START, Stream([queued, wire.message(2, "hello back"), wire.ended(3)], NEXT_ID))
    support.on(
        f"GET /runs/{NEXT_ID}", Document(wire.run("queued", run_id=NEXT_ID, thread_id="mine"))
    )
    waiting = wire.run("waiting", waiting_for="approval", approvals=[wire.approval()])
    support.on(f"GET /runs/{RUN_ID}", Document(waiting))
    idle = Document({**THREAD, "run_id": None, "status": "idle"})
    is_chat = command[0] == "chat"
    support.on("GET /threads/mine", *[idle] * is_chat, Document({**THREAD, "queued": [NEXT_ID]}))
    ended = run_command(support.url, [*command, "--thread", "mine"], "hello\n")
    assert ended.returncode == 0
    assert f"behind {RUN_ID}, which waits for a decision" in ended.stderr
    assert f"outlast approve {RUN_ID} 1.0" in ended.stderr


def test_behind_nobody_who_could_be_asked(support: ScriptedApp) -> None:
    """A run whose place in the queue can't be told is followed as well."""
    support.on(START, Stream([wire.event(1, "run.queued"), wire.ended(2)], RUN_ID))
    assert run_command(support.url, ["run", "support", "x", "--thread", "mine"]).returncode == 0


def test_context(support: ScriptedApp) -> None:
    """The context goes along with every line, and with the command to go on."""
    support.on(START, Stream([wire.ended(1)], RUN_ID))
    options = ["--thread", "mine", "--context", "company=ACME Inc"]
    ended = run_command(support.url, ["chat", "support", *options], "one\ntwo\n")
    assert ended.returncode == 0
    contexts = [sent.body["context"] for sent in support.sent(START)]
    assert contexts == [{"company": "ACME Inc"}] * 2
    assert "outlast chat support --thread mine --context 'company=ACME Inc'" in ended.stderr
