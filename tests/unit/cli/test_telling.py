"""Webhooks and forks at the command line: what is sent, and what is printed."""

import json

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import START, Outlast

DELIVERY = {
    "id": f"msg_{'a' * 26}",
    "event": "run.ended",
    "url": "https://a.example/x",
    "status": "given_up",
    "attempts": 31,
    "last_error": "answered 404",
    "happened_at": NOON,
}
DELIVERED = {**DELIVERY, "id": f"msg_{'b' * 26}", "status": "delivered", "last_error": None}
PATH = f"/runs/{RUN_ID}/webhooks"


def test_a_start_with_webhooks(app: ScriptedApp, outlast: Outlast) -> None:
    """Each address is told of waits and of the end; one secret signs."""
    app.on(START, Document(wire.run("queued"), 202))
    url = "https://a.example/x"
    options = ["--webhook", url, "--webhook", f"{url}y", "--webhook-secret", "desk"]
    assert outlast("run", "support", "Hi.", "--async", *options).code == 0
    [sent] = app.requests
    assert sent.body["webhooks"] == [
        {"url": url, "secret": "desk"},
        {"url": f"{url}y", "secret": "desk"},
    ]


def test_deliveries(app: ScriptedApp, outlast: Outlast) -> None:
    """Who reads the list sees what was given up, and why."""
    app.on(f"GET {PATH}", Document({"items": [DELIVERED, DELIVERY]}))
    shown = outlast("webhooks", RUN_ID)
    assert shown.code == 0
    for said in (DELIVERY["id"], "given_up", "31", "answered 404", "https://a.example/x"):
        assert str(said) in shown.out


def test_again(app: ScriptedApp, outlast: Outlast) -> None:
    """Those that were given up are told again, or the one that is named."""
    again = f"POST {PATH}/{DELIVERY['id']}/redeliver"
    app.on(f"GET {PATH}", Document({"items": [DELIVERED, DELIVERY]}))
    app.on(again, Document({**DELIVERY, "status": "pending"}, 202))
    assert outlast("redeliver", RUN_ID).out == "1 to be delivered again.\n"
    app.on(again, Document({**DELIVERY, "status": "pending"}, 202))
    told = outlast("redeliver", RUN_ID, DELIVERY["id"], "--json")
    assert json.loads(told.out)["items"][0]["status"] == "pending"
    assert [request.line for request in app.requests] == [f"GET {PATH}", again, again]


def test_nothing_to_tell_again(app: ScriptedApp, outlast: Outlast) -> None:
    """Where none was given up, that is said."""
    app.on(f"GET {PATH}", Document({"items": [DELIVERED]}))
    assert outlast("redeliver", RUN_ID).out == "None was given up.\n"


def test_a_fork(app: ScriptedApp, outlast: Outlast) -> None:
    """It is started at once, and followed as a run is."""
    source = f"support.{'b' * 26}"
    app.on(f"POST /runs/{source}/fork", Document(wire.run("queued"), 202))
    app.on(f"GET /runs/{RUN_ID}/events", Stream([wire.event(1, "run.started"), wire.ended(2)]))
    ended = outlast("fork", source, "2", "And now?", "--thread", "t", "--definition", "current")
    assert (ended.code, RUN_ID in ended.out + ended.err) == (0, True)
    sent = app.requests[0]
    assert sent.body == {
        "after_turn": 2,
        "input": "And now?",
        "thread_id": "t",
        "definition": "current",
    }
    assert sent.headers["prefer"] == "respond-async"


def test_a_fork_that_nobody_watches(app: ScriptedApp, outlast: Outlast) -> None:
    """Its id is printed; without an input none is sent."""
    app.on(f"POST /runs/{RUN_ID}/fork", Document(wire.run("queued"), 202))
    assert outlast("fork", RUN_ID, "0", "--async").out == f"{RUN_ID}\n"
    assert app.requests[0].body == {"after_turn": 0}
