"""What else a run may wait for, asked at a terminal: calls in doubt, limits, clients' results."""

from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream, problem
from fakes.command_line import CTRL_D, Terminal
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import START, Outlast

DOUBT = {"approval_id": "1.0.doubt1", "reason": "in_doubt", "question": "Was it paid?"}
LIMIT = {"call_id": None, "approval_id": "limit1", "reason": "limit", "name": "max_turns"}
INPUT = {"approval_id": "1.0.input1", "reason": "input", "question": "Which account?"}
ORDER = {
    **INPUT,
    "question": "Who \x1b[31msupplies it?",
    "content_schema": {
        "type": "object",
        "properties": {
            "supplier": {"type": "string", "title": "Supplier", "enum": ["Lamps & Sons", "Lux"]},
            "pieces": {"type": "integer", "default": 1},
            "urgent": {"type": "boolean"},
            "colours": {
                "type": "array",
                "items": {"anyOf": [{"const": "r", "title": "Red"}, {"const": "b"}]},
            },
            "note": {"type": "string"},
        },
        "required": ["supplier", "pieces"],
    },
}
PAGE = {**INPUT, "url": "https://sign.example/1"}
RESULT = f"POST /runs/{RUN_ID}/results/1.0"


def asks(app: ScriptedApp, asked: dict[str, Any]) -> str:
    """Script a run that waits for a decision, and goes on; return where that is sent."""
    approval = wire.approval(**asked)
    requested = {
        name: value
        for name, value in approval.items()
        if name not in ("requested_at", "resolution")
    }
    events = [wire.event(2, "approval.requested", **requested), wire.ended(3)]
    app.on(START, Stream([wire.event(1, "run.started"), *events], RUN_ID))
    app.on(f"GET /runs/{RUN_ID}", Document(wire.run("waiting", approvals=[approval])))
    decide = f"POST /runs/{RUN_ID}/approvals/{asked['approval_id']}"
    app.on(decide, Document({"call_id": "1.0", "action": "approve", "at": NOON}))
    return decide


CHILD = "scout.bbbbbbbbbbbbbbbbbbbbbbbbbb"


def waits_below(app: ScriptedApp) -> str:
    """Script a run that waits for one that it has called; return where to decide."""
    items = [{"run_id": CHILD, "id": "1.0"}]
    waiting = wire.event(2, "run.waiting", segment=1, waiting_for="child", approvals=items)
    app.on(START, Stream([wire.event(1, "run.started"), waiting, wire.ended(3)], RUN_ID))
    child = {**wire.run("waiting", approvals=[wire.approval()]), "run_id": CHILD, "agent": "scout"}
    app.on(f"GET /runs/{CHILD}", Document(child))
    decide = f"POST /runs/{CHILD}/approvals/1.0"
    app.on(decide, Document({"call_id": "1.0", "action": "approve", "at": NOON}))
    return decide


def waits_for_client(app: ScriptedApp) -> None:
    """Script a run that waits for a client's result, and goes on."""
    call = {"call_id": "1.0", "name": "locate", "arguments": {"of": "ann"}, "expires_at": NOON}
    requested = wire.event(2, "tool_call.requested", turn=1, **call)
    app.on(START, Stream([wire.event(1, "run.started"), requested, wire.ended(3)], RUN_ID))
    open_call = {**call, "requested_at": NOON}
    run = wire.run("waiting", waiting_for="client", calls=[open_call])
    app.on(f"GET /runs/{RUN_ID}", Document(run))
    app.on(RESULT, Document({"call_id": "1.0", "outcome": "answered", "at": NOON}))


@pytest.mark.parametrize(
    ("asked", "typed", "body"),
    [
        (DOUBT, ["r"], {"action": "retry"}),
        (DOUBT, ["c", "paid by hand"], {"action": "complete", "output": "paid by hand"}),
        (DOUBT, ["complete", '{"id": 1}'], {"action": "complete", "output": {"id": 1}}),
        (DOUBT, ["g", "ask them"], {"action": "give_up", "reason": "ask them"}),
        (DOUBT, ["a", "r"], {"action": "retry"}),
        (LIMIT, ["r", "many", "r", "40"], {"action": "raise", "limits": {"max_turns": 40}}),
        (LIMIT, ["s"], {"action": "stop"}),
        (INPUT, ["a", "4711"], {"action": "answer", "content": 4711}),
        (INPUT, ["d"], {"action": "decline"}),
        (
            ORDER,
            ["a", "none", "lux", "many", "", "maybe", "y", "red, b", ""],
            {
                "action": "answer",
                "content": {"supplier": "Lux", "pieces": 1, "urgent": True, "colours": ["r", "b"]},
            },
        ),
        (PAGE, ["a", ""], {"action": "answer", "content": {}}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_decisions(
    app: ScriptedApp, asked: dict[str, Any], typed: list[str], body: dict[str, Any]
) -> None:
    """Each reason has its own answers; what does not work is said, and asked for again."""
    decide = asks(app, asked)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater: ")
        for line in typed:
            shown = terminal.shown.count(": ")
            terminal.type(f"{line}\n")
            if line != typed[-1]:
                terminal.wait_for(": ", times=shown + 1)
        assert terminal.wait() == 0
        assert asked.get("question", "").replace("\x1b", "") in terminal.shown
        assert "\x1b[31m" not in terminal.shown
        assert asked.get("url", "") in terminal.shown
    assert [sent.body for sent in app.sent(decide)] == [{**body, "by": "ann"}]


def test_the_commands_to_decide(app: ScriptedApp, outlast: Outlast) -> None:
    """Without a terminal the command ends with 4, and says which command decides."""
    asks(app, DOUBT)
    ended = outlast("run", "support", "x")
    assert ended.code == 4
    choices = "retry, complete --output …, give_up"
    assert f"outlast decide {RUN_ID} 1.0.doubt1 ACTION  # refund: {choices}\nthen: " in ended.err
    # In a shell that would decide: a call in doubt would run again.
    assert "|" not in ended.err


def test_an_answer_by_a_command(app: ScriptedApp) -> None:
    """At a terminal `decide` asks for each field; a script passes them as JSON."""
    decide = asks(app, ORDER)
    command = ("decide", RUN_ID, "1.0.input1", "answer")
    with Terminal(app.url, *command) as terminal:
        terminal.wait_for("Supplier (Lamps & Sons or Lux): ")
        terminal.type("Lux\n")
        terminal.wait_for("pieces (a whole number) [1]: ")
        for _ in range(4):
            terminal.type("\n")
        assert terminal.wait() == 0
    assert [sent.body["content"] for sent in app.sent(decide)] == [{"supplier": "Lux", "pieces": 1}]


def test_runs_below(app: ScriptedApp, outlast: Outlast) -> None:
    """What a called run waits for is asked, too, and decided at that run's address."""
    decide = waits_below(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("[l]ater: ")
        assert f"{CHILD} waits: refund" in terminal.shown
        terminal.type("a\n")
        assert terminal.wait() == 0
    assert [sent.body["action"] for sent in app.sent(decide)] == ["approve"]
    ended = outlast("run", "support", "x")
    assert ended.code == 4
    assert f"outlast approve {CHILD} 1.0" in ended.err


@pytest.mark.parametrize("typed", ["", CTRL_D], ids=["nothing", "Ctrl-D"])
def test_a_result_for_later(app: ScriptedApp, typed: str) -> None:
    """A client's result can be left for later: the command ends with 4 and says how to send it."""
    waits_for_client(app)
    with Terminal(app.url, "run", "support", "x") as terminal:
        terminal.wait_for("nothing for later: ")
        terminal.type(typed or "\n")
        assert terminal.wait() == 4
        assert f"outlast answer {RUN_ID} 1.0 RESULT" in terminal.shown
    assert app.sent(RESULT) == []


def test_a_result(app: ScriptedApp) -> None:
    """Whoever sits at the terminal may answer for a client; what is refused is asked for again."""
    waits_for_client(app)
    app._answers[RESULT].clear()
    answered = Document({"call_id": "1.0", "outcome": "answered", "at": NOON})
    app.on(RESULT, problem(413, "The body is too large", "Send less."), answered)
    with Terminal(app.url, "run", "support", "x") as terminal:
        for count, output in enumerate(["Berlin, in all its beauty", "Berlin"], start=1):
            terminal.wait_for("nothing for later: ", times=count)
            terminal.type(f"{output}\n")
        assert terminal.wait() == 0
        assert 'locate {"of": "ann"}' in terminal.shown
        assert "Send less." in terminal.shown
    assert app.sent(RESULT)[-1].body == {"output": "Berlin", "by": "ann"}


def test_open_calls(app: ScriptedApp, outlast: Outlast) -> None:
    """What waits for clients in all runs is a list."""
    call = {"call_id": "1.0", "name": "locate", "arguments": {"of": "ann"}, "expires_at": NOON}
    item = {**call, "requested_at": NOON, "run_id": RUN_ID, "agent": "support"}
    app.on("GET /calls", Document({"items": [item], "next_cursor": None}))
    ended = outlast("calls")
    assert ended.code == 0
    for said in (RUN_ID, "1.0", "locate", '{"of": "ann"}'):
        assert said in ended.out
