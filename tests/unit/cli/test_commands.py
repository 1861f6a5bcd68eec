"""Commands that ask once: what they send, what they print."""

import json
from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, Lines, ScriptedApp, problem
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import Outlast

RUN = f"/runs/{RUN_ID}"
RESOLUTION = {
    "call_id": "1.0",
    "action": "approve",
    "by": {"key": "desk", "said": "me"},
    "at": NOON,
}
THREAD = {
    "thread_id": "t-1",
    "status": "idle",
    "run_id": None,
    "queued": [],
    "message_count": 4,
    "created_at": NOON,
    "updated_at": NOON,
}
TOOL = {
    "kind": "function",
    "name": "find",
    "description": "",
    "parameters": {},
    "effect": "read",
    "verifies": False,
    "timeout_s": 1,
    "retries": 1,
    "approval_timeout_s": None,
    "agent": None,
    "child_thread": None,
    "child_context": None,
    "durable": None,
    "deferred": None,
    "signals": None,
    "needs_approval": False,
}
AGENT = {
    "name": "support",
    "description": "Helps.",
    "model": "openai/x",
    "instructions": "",
    "context": [],
    "limits": {},
    "digest": "d",
    "tools": [
        TOOL,
        {**TOOL, "name": "pay", "needs_approval": True},
        {**TOOL, "name": "send", "needs_approval": "sometimes"},
    ],
}


def _page(*items: dict[str, Any], cursor: str | None = None) -> Document:
    return Document({"items": list(items), "next_cursor": cursor})


@pytest.mark.parametrize(
    ("command", "item", "said"),
    [
        ("list", AGENT, ["support", "openai/x", "find,", "pay (needs approval)", "Helps."]),
        ("runs", wire.run("waiting", waiting_for="approval"), [RUN_ID, "waiting approval"]),
        ("threads", {**THREAD, "metadata": {"title": "A lamp"}}, ["t-1", "idle", "4", "A lamp"]),
        (
            "approvals",
            wire.approval(run_id=RUN_ID, agent="support"),
            [RUN_ID, "1.0", "refund", '{"cents": 4990}'],
        ),
    ],
)
def test_lists(
    app: ScriptedApp, outlast: Outlast, command: str, item: dict[str, Any], said: list[str]
) -> None:
    """A list is a table for a person and one document for a script."""
    app.on("GET /agents" if command == "list" else f"GET /{command}", _page(item))
    for_a_person = outlast(command)
    assert (for_a_person.code, for_a_person.err) == (0, "")
    assert [text for text in said if text not in for_a_person.out] == []
    for_a_script = outlast(command, "--json")
    assert item.items() <= _known(json.loads(for_a_script.out)["items"][0], item).items()


def _known(answer: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] if name != "limits" else asked[name] for name in asked}


def test_filters_and_pages(app: ScriptedApp, outlast: Outlast) -> None:
    """Filters are the server's; pages are read up to the limit."""
    app.on("GET /runs", _page(*[wire.run()] * 100, cursor="next"), _page(*[wire.run()] * 20))
    options = ["--agent", "a", "--thread", "t", "--status", "waiting", "--status", "paused"]
    options += [
        "--metadata",
        "ticket=4 711",
        "--metadata",
        "draft=",
        "--id",
        "support.a",
        "--limit",
        "120",
    ]
    assert len(json.loads(outlast("runs", *options, "--json").out)["items"]) == 120
    filters = "agent=a&thread_id=t&status=waiting&status=paused&id_prefix=support.a"
    filters += "&metadata.ticket=4+711&metadata.draft="
    assert [sent.line for sent in app.requests] == [
        f"GET /runs?{filters}&limit=100",
        f"GET /runs?{filters}&cursor=next&limit=20",
    ]


def test_get(app: ScriptedApp, outlast: Outlast) -> None:
    """A run is shown with what it waits for, its output and its cost."""
    usage = {"cost_usd": 0.0123}
    run = wire.run("waiting", approvals=[wire.approval()], output={"a": 1}, usage=usage)
    app.on(f"GET {RUN}", Document(run))
    shown = outlast("get", RUN_ID).out
    for text in (RUN_ID, "waiting", '1.0     refund {"cents": 4990}', "{'a': 1}", "$0.0123"):
        assert text in shown
    assert json.loads(outlast("get", RUN_ID, "--json").out)["output"] == {"a": 1}


def test_events(app: ScriptedApp, outlast: Outlast) -> None:
    """What has happened so far: a line each, with number and time, or the JSON as it came."""
    sent = [
        wire.event(3, "turn.started", turn=1, at=NOON),
        wire.message(4, "Hello."),
        wire.event(5, "brand.new", x=1),
    ]
    app.on(f"GET {RUN}/events", Lines(sent))
    shown = outlast("events", RUN_ID, "--after", "2")
    assert shown.code == 0
    first, second, third = shown.out.splitlines()
    assert first.split() == ["3", "2026-01-01", first.split()[2], "turn.started"]
    assert second.split() == ["4", "Hello."]
    assert third.split() == ["5", "brand.new"]
    [request] = app.requests
    assert request.line == f"GET {RUN}/events?after=2"
    assert request.headers["accept"] == "application/x-ndjson"
    told = outlast("events", RUN_ID, "--json").out
    assert [json.loads(line) for line in told.splitlines()] == sent


def test_thread(app: ScriptedApp, outlast: Outlast) -> None:
    """A conversation is made, or changed: only what is given is sent."""
    answer = {**THREAD, "metadata": {"title": "A lamp"}}
    app.on("POST /threads", Document(answer, 201))
    app.on("PATCH /threads/t-1", Document(answer))
    made = outlast("thread", "t-1", "--create", "--title", "A lamp", "--expires-after-s", "60")
    assert made.code == 0
    assert "A lamp" in made.out
    assert app.requests[-1].body == {
        "thread_id": "t-1",
        "metadata": {"title": "A lamp"},
        "expires_after_s": 60,
    }
    outlast("thread", "t-1", "--metadata", "a=1", "--metadata", "b=", "--expires-after-s", "0")
    assert app.requests[-1].body == {"metadata": {"a": "1", "b": None}, "expires_after_s": None}
    outlast("thread", "t-1", "--title", "B", "--json")
    assert app.requests[-1].body == {"metadata": {"title": "B"}}


@pytest.mark.parametrize(("how", "told"), [("summary", "summed up"), ("window", "left out")])
def test_one_thread(app: ScriptedApp, outlast: Outlast, how: str, told: str) -> None:
    """It is shown without a change, with what runs do not read of it any more."""
    summary = {"messages": 40, "how": how, "run_id": RUN_ID, "created_at": NOON}
    app.on("GET /threads/t-1", Document({**THREAD, "summary": summary}))
    shown = outlast("thread", "t-1")
    assert shown.code == 0
    assert f"the first 40 messages, {told} by run {RUN_ID}" in shown.out.replace("\n", " ")


def test_a_thread_while_the_app_restarts(app: ScriptedApp, outlast: Outlast) -> None:
    """A change is asked for again after an answer that leaves it open."""
    app.on("PATCH /threads/t-1", problem(503, "Lost", "Again."), Document(THREAD))
    assert outlast("thread", "t-1", "--title", "A lamp").code == 0
    assert [sent.body for sent in app.requests] == [{"metadata": {"title": "A lamp"}}] * 2


def test_delete(app: ScriptedApp, outlast: Outlast) -> None:
    """A run, or a conversation with its runs, is forgotten; a refusal is told."""
    app.on(f"DELETE {RUN}", Document(status=204))
    app.on("DELETE /threads/t-1", Document(status=204), problem(409, "A run holds it", "Wait."))
    assert outlast("delete", RUN_ID).code == 0
    assert outlast("delete", "--thread", "t-1", "--runs").code == 0
    assert [sent.line for sent in app.requests] == [
        f"DELETE {RUN}",
        "DELETE /threads/t-1?runs=true",
    ]
    refused = outlast("delete", "--thread", "t-1")
    assert refused.code == 1
    assert "A run holds it" in refused.err
    app.on("DELETE /runs/t-1", problem(404, "There is no such run", "'t-1' is not a run id."))
    assert "If it is a conversation: outlast delete --thread t-1" in outlast("delete", "t-1").err
    for wrong in ([], [RUN_ID, "--thread", "t-1"], [RUN_ID, "--runs"]):
        assert outlast("delete", *wrong).code == 2


def test_async(app: ScriptedApp, outlast: Outlast) -> None:
    """`run --async` prints the id and nothing else."""
    app.on("POST /agents/support/runs", Document(wire.run("queued"), 202))
    assert outlast("run", "support", "x", "--async").out == f"{RUN_ID}\n"
    assert app.requests[0].headers["prefer"] == "respond-async"
    assert json.loads(outlast("run", "support", "x", "--async", "--json").out)["run_id"] == RUN_ID


@pytest.mark.parametrize(
    ("arguments", "path", "body", "answer"),
    [
        (
            ["approve", RUN_ID, "1.0"],
            "approvals/1.0",
            {"action": "approve", "by": "ann"},
            RESOLUTION,
        ),
        (
            ["approve", RUN_ID, "1.0", "--arguments", '{"cents": 1}', "--reason", "r", "--by", "b"],
            "approvals/1.0",
            {"action": "approve", "arguments": {"cents": 1}, "reason": "r", "by": "b"},
            RESOLUTION,
        ),
        (
            ["reject", RUN_ID, "1.0", "--reason", "too much"],
            "approvals/1.0",
            {"action": "reject", "reason": "too much", "by": "ann"},
            {**RESOLUTION, "action": "reject"},
        ),
        (
            ["decide", RUN_ID, "1.0.doubt1", "complete", "--output", '{"id": 1}'],
            "approvals/1.0.doubt1",
            {"action": "complete", "output": {"id": 1}, "by": "ann"},
            {**RESOLUTION, "action": "complete", "output": {"id": 1}},
        ),
        (
            ["decide", RUN_ID, "limit1", "raise", "--limit", "max_turns=40"],
            "approvals/limit1",
            {"action": "raise", "limits": {"max_turns": 40}, "by": "ann"},
            {"call_id": None, "action": "raise", "at": NOON},
        ),
        (
            ["answer", RUN_ID, "1.0", "denied", "--error"],
            "results/1.0",
            {"output": "denied", "is_error": True, "by": "ann"},
            {"call_id": "1.0", "outcome": "answered", "is_error": True, "at": NOON},
        ),
        (["steer", RUN_ID, "stop"], "messages", {"input": "stop"}, {"message_id": "m-1"}),
        (
            ["signal", RUN_ID, "paid", '{"cents": 5}', "--call", "1.0"],
            "signals/paid",
            {"cents": 5},
            {"call_id": "1.0", "name": "paid", "value": {"cents": 5}},
        ),
        (
            ["signal", RUN_ID, "paid"],
            "signals/paid",
            None,
            {"call_id": None, "name": "paid", "value": None},
        ),
        (["cancel", RUN_ID], "cancel", None, wire.run("running")),
        (["resume", RUN_ID], "resume", None, wire.run("running")),
    ],
    ids=[
        "approve",
        "approve-changed",
        "reject",
        "in-doubt",
        "limit",
        "client",
        "steer",
        "signal",
        "signal-null",
        "cancel",
        "resume",
    ],
)
def test_changes(
    app: ScriptedApp,
    outlast: Outlast,
    arguments: list[str],
    path: str,
    body: dict[str, Any] | None,
    answer: dict[str, Any],
) -> None:
    """A change is asked for, and again with the same key after an answer that leaves it open."""
    app.on(f"POST {RUN}/{path}", problem(503, "Lost", "Again."), Document(answer))
    ended = outlast(*arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert {name: told[name] for name in answer if name != "at"} == {
        name: value for name, value in answer.items() if name != "at"
    }
    assert [sent.body for sent in app.requests] == [body, body]
    assert len({sent.headers["idempotency-key"] for sent in app.requests}) == 1
    assert outlast(*arguments).out.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["run", "support"],
        ["run", "support", "x", "--on-busy", "never"],
        ["run", "support", "x", "--on-busy", "steer"],
        ["run", "support", "x", "--max-turns", "0"],
        ["run", "support", "x", "--option", "temprature=0"],
        ["run", "support", "x", "--option", "temperature=warm"],
        ["run", "support", "x", "--context", "company"],
        ["chat", "support", "--context", "company"],
        ["chat", "support", "--thread", "not a thread"],
        ["approve", RUN_ID, "1.0", "--arguments", "[1]"],
        ["approve", RUN_ID, "1.0", "--arguments", "cents=1"],
        ["decide", RUN_ID, "1.0.doubt1", "complete"],
        ["decide", RUN_ID, "1.0", "maybe"],
        ["decide", RUN_ID, "limit1", "raise", "--limit", "max_turns"],
        ["runs", "--limit", "0"],
        ["runs", "--since", "0001-01-01"],
        ["thread", "not a thread", "--create"],
        ["thread", "t-1", "--expires-after-s", "1e12"],
        ["--url", "example.org", "list"],
        ["--url", "http://host:port", "list"],
        ["--key", "two\nlines", "list"],
    ],
    ids=" ".join,
)
def test_wrong_usage(app: ScriptedApp, outlast: Outlast, arguments: list[str]) -> None:
    """What can't work ends with 2 and a reason, and nothing is sent."""
    ended = outlast(*arguments)
    assert (ended.code, ended.out, app.requests) == (2, "", [])
    assert ended.err
    assert "Traceback" not in ended.err
    assert "two" not in ended.err


def test_ids_stay_ids(app: ScriptedApp, outlast: Outlast) -> None:
    """An id can't lead to another address."""
    assert outlast("get", "../agents?x#y").code == 1
    assert app.requests[0].line == "GET /runs/..%2Fagents%3Fx%23y"


def test_key(app: ScriptedApp, outlast: Outlast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes to the server and nowhere else, help and errors included."""
    monkeypatch.setenv("OUTLAST_KEY", "secret-1")
    app.on("GET /agents", problem(401, "The key is missing or wrong", "Send one."))
    shown = [outlast("list"), outlast("--help"), outlast("runs", "--help"), outlast("--key")]
    assert not [ended for ended in shown if "secret-1" in ended.out + ended.err]
    assert [sent.headers["authorization"] for sent in app.requests] == ["Bearer secret-1"]
    assert "This command takes it from OUTLAST_KEY." in shown[0].err


def test_former_variables(
    app: ScriptedApp, outlast: Outlast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable under its former name is not read, which is said unless the new one is set."""
    app.on("GET /agents", _page())
    monkeypatch.setenv("AGENTS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AGENTS_KEY", "secret-1")
    ended = outlast("list")
    assert (ended.code, ended.err) == (
        0,
        "AGENTS_KEY is not read any more: set OUTLAST_KEY instead.\n",
    )
    monkeypatch.setenv("OUTLAST_KEY", "secret-2")
    assert outlast("list").err == ""
    assert [sent.headers.get("authorization") for sent in app.requests] == [
        None,
        "Bearer secret-2",
    ]


def test_what_is_not_a_problem_document(app: ScriptedApp, outlast: Outlast) -> None:
    """An answer of something in between is named by its status."""
    app.on("GET /agents", Document("<html>", 418), Document({"items": 1}))
    assert outlast("list").err == f"{app.url} answered 418 I'm a Teapot.\n"
    ended = outlast("list")
    assert ended.code == 1
    assert "does not understand" in ended.err
