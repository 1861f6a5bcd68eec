"""Conversations that there are already: read whole, or shown before they go on."""

import json
from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, problem
from fakes.command_line import CTRL_D, Terminal, run_command
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import Outlast

MESSAGES = "GET /threads/mine/messages"
NEXT_ID = "support.bbbbbbbbbbbbbbbbbbbbbbbbbb"
CALL = {"call_id": "1.0", "name": "find", "arguments": {"order": "A-1", "note": "n" * 300}}


def _said(role: str, content: str = "", run_id: str = RUN_ID, **fields: Any) -> dict[str, Any]:
    message = {"id": "m", "role": role, "content": content, "run_id": run_id, "created_at": NOON}
    return {**message, **fields}


CONVERSATION = [
    _said("user", "where is it?\x1b[2J"),
    _said("assistant", "I'll look.", tool_calls=[CALL]),
    _said("tool", "found " * 100, call_id="1.0"),
    _said("assistant", "", tool_calls=[{**CALL, "call_id": "2.0", "name": "pay", "arguments": {}}]),
    _said("tool", "no money", call_id="2.0", is_error=True),
    _said("assistant", "It is on its way."),
    _said("user", "thanks", NEXT_ID),
    _said("assistant", "You're welcome.", NEXT_ID),
]


def _page(items: list[dict[str, Any]], cursor: str | None = None) -> Document:
    return Document({"items": items, "next_cursor": cursor})


def test_whole(app: ScriptedApp, outlast: Outlast) -> None:
    """A conversation is shown from its first message on; calls and results are shortened."""
    app.on(MESSAGES, _page(CONVERSATION[:5], "5"), _page(CONVERSATION[5:]))
    ended = outlast("messages", "mine")
    assert (ended.code, ended.err) == (0, "")
    first, *lines, second, thanks, welcome = ended.out.splitlines()
    assert first.endswith(f"run {RUN_ID}")
    assert second.endswith(f"run {NEXT_ID}")
    asked, looked, called, found, paid, failed, answered = lines
    assert asked == "> where is it?[2J"
    assert (looked, answered) == ("I'll look.", "It is on its way.")
    assert called.startswith('→ 1.0 find {"order": "A-1", "note": "nnn')
    assert found.startswith("← 1.0 find: found found")
    assert max(len(called), len(found)) < 200
    assert (paid, failed) == ("→ 2.0 pay {}", "← 2.0 pay: no money")
    assert (thanks, welcome) == ("> thanks", "You're welcome.")
    assert [sent.line.partition("?")[2] for sent in app.requests] == [
        "limit=100",
        "cursor=5&limit=100",
    ]


def test_what_a_client_added(app: ScriptedApp, outlast: Outlast) -> None:
    """It is not shown as said in a run, of which `outlast get` would know nothing."""
    added = [_said("user", "I was on the phone.", f"Added.{'a' * 26}"), _said("user", "thanks")]
    app.on(MESSAGES, _page(added))
    first, _, second, _ = outlast("messages", "mine").out.splitlines()
    assert first.endswith("· added by a client")
    assert second.endswith(f"· run {RUN_ID}")


@pytest.mark.parametrize("limit", [2, 120])
def test_newest(app: ScriptedApp, outlast: Outlast, limit: int) -> None:
    """A limit leaves out the beginning; what is left is in its order."""
    newest = [_said("user", f"{number}") for number in range(limit, 0, -1)]
    app.on(MESSAGES, _page(newest[:100], "20"), _page(newest[100:], "1"))
    ended = outlast("messages", "mine", "--limit", f"{limit}", "--json")
    said = [message["content"] for message in json.loads(ended.out)["items"]]
    assert said == [f"{number}" for number in range(1, limit + 1)]
    assert "order=desc" in app.requests[0].line


def test_json(app: ScriptedApp, outlast: Outlast) -> None:
    """A script gets one document with all messages, unshortened."""
    app.on(MESSAGES, _page(CONVERSATION[:2], "2"), _page(CONVERSATION[2:]))
    items = json.loads(outlast("messages", "mine", "--json").out)["items"]
    assert [item["content"] for item in items] == [said["content"] for said in CONVERSATION]
    assert items[1]["tool_calls"] == [CALL]


def test_nobodys(app: ScriptedApp, outlast: Outlast) -> None:
    """A thread that is not there is a problem."""
    app.on(MESSAGES, problem(404, "There is no such thread", "It is made by its first run."))
    assert outlast("messages", "mine").code == 1


def test_a_conversation_goes_on(support: ScriptedApp) -> None:
    """Its last questions and answers come before the prompt, and how to read the others."""
    older = [said for number in range(4) for said in _exchange(number)]
    support.on(MESSAGES, _page([*older, *CONVERSATION][::-1][:30], None))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> ", times=4)
        shown = terminal.shown
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert "outlast messages mine" in shown
    assert "question 2" not in shown
    questions = ["question 3", "where is it?", "thanks", "You're welcome."]
    assert [shown.count(question) for question in questions] == [1, 1, 1, 1]
    assert sorted(questions, key=shown.index) == questions
    assert {sent.line.partition("?")[2] for sent in support.sent(MESSAGES)} == {
        "order=desc&limit=30"
    }


def _exchange(number: int) -> list[dict[str, Any]]:
    return [_said("user", f"question {number}"), _said("assistant", f"answer {number}")]


def test_a_short_conversation(support: ScriptedApp) -> None:
    """A conversation that is shown whole needs no hint."""
    support.on(MESSAGES, _page(_exchange(1)[::-1]))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("answer 1")
        terminal.wait_for("> ", times=2)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
        assert "outlast messages" not in terminal.shown


def test_the_question_of_an_open_run(support: ScriptedApp) -> None:
    """What a run that has not ended was asked is shown before what comes of it."""
    thread = {"status": "busy", "run_id": RUN_ID, "queued": [], "message_count": 1}
    support.on(
        "GET /threads/mine",
        Document({"thread_id": "mine", **thread, "created_at": NOON, "updated_at": NOON}),
    )
    run = wire.run("running", messages=[_said("user", "and now?"), _said("assistant", "Well")])
    support.on(f"GET /runs/{RUN_ID}", Document(run))
    support.on(f"GET /runs/{RUN_ID}/events", Document(status=204))
    with Terminal(support.url, "chat", "support", "--thread", "mine") as terminal:
        terminal.wait_for("> and now?")
        terminal.wait_for("> ", times=2)
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
        assert "Well" not in terminal.shown


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["pipe", "json"])
def test_a_script(support: ScriptedApp, options: list[str]) -> None:
    """A script that talks gets its answers, and no history."""
    support.on(MESSAGES, _page(CONVERSATION[::-1]))
    ended = run_command(support.url, ["chat", "support", "--thread", "mine", *options])
    assert (ended.returncode, ended.stdout) == (0, "")
    assert support.sent(MESSAGES) == []
