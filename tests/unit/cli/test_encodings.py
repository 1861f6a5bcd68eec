"""Terminals and pipes whose encoding lacks what models, tools and people write."""

import json

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.command_line import Terminal, run_command
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import DECIDE, START

SAID = "Grüße 🙂 → done…"
LOCALES = [
    {"LANG": "C", "PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "latin-1"},
]
in_each_locale = pytest.mark.parametrize("locale", LOCALES, ids=["ascii", "C", "latin-1"])


def _script(app: ScriptedApp) -> None:
    events = [wire.event(1, "run.started"), wire.message(2, SAID), wire.ended(3, output=SAID)]
    app.on(START, Stream(events, RUN_ID))
    app.on(f"GET /runs/{RUN_ID}", Document(wire.run(output=SAID)))


@in_each_locale
def test_run_for_a_person(app: ScriptedApp, locale: dict[str, str]) -> None:
    """A run that completed is a success; what the encoding lacks is shown as its number."""
    _script(app)
    ended = run_command(app.url, ["run", "support", "x"], settings=locale)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    assert "\\U0001f642 -> done..." in ended.stdout


@in_each_locale
@pytest.mark.parametrize("command", [["run", "support", "x"], ["get", RUN_ID]], ids=" ".join)
def test_json(app: ScriptedApp, command: list[str], locale: dict[str, str]) -> None:
    """What a script reads is JSON in any encoding, and says the same."""
    _script(app)
    ended = run_command(app.url, [*command, "--json"], settings=locale)
    assert ended.returncode == 0, ended.stderr
    last = json.loads(ended.stdout.splitlines()[-1])
    assert (last.get("run") or last)["output"] == SAID


@in_each_locale
def test_question_at_a_terminal(app: ScriptedApp, locale: dict[str, str]) -> None:
    """A person decides on whole arguments, escaped where the terminal can't show them."""
    call = {"call_id": "1.0", "name": "pay", "arguments": {"payee": "🙂"}}
    asked = wire.event(2, "approval.requested", **call)
    app.on(START, Stream([asked, wire.ended(3)], RUN_ID))
    approval = wire.approval(name="pay", arguments=call["arguments"])
    run = wire.run("waiting", waiting_for="approval", approvals=[approval])
    app.on(f"GET /runs/{RUN_ID}", Document(run))
    app.on(DECIDE, Document({"call_id": "1.0", "action": "approve", "at": NOON}))
    with Terminal(app.url, "run", "support", "x", settings=locale) as terminal:
        terminal.wait_for('{"payee": "\\U0001f642"}')
        terminal.wait_for("[l]ater: ")
        terminal.type("a\n")
        assert terminal.wait() == 0


def test_own_encoding_is_left_alone(app: ScriptedApp) -> None:
    """Where the encoding has it all, nothing is escaped."""
    _script(app)
    ended = run_command(app.url, ["run", "support", "x"], settings={"PYTHONUTF8": "1"})
    assert SAID in ended.stdout
