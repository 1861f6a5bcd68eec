"""What a shell is offered when somebody completes a line."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoints
from pathlib import Path
from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp, Stream
from fakes.command_line import environment
from fakes.wire import NOON, RUN_ID
from outlast_cli import catalog
from unit.cli.conftest import AGENT, Outlast

OTHER_ID = "support.bbbbbbbbbbbbbbbbbbbbbbbbbb"
ALL_RUNS = [wire.run("waiting", waiting_for="approval"), wire.run(run_id=OTHER_ID)]
THREAD = {
    "thread_id": "mine",
    "status": "idle",
    "run_id": None,
    "queued": [],
    "message_count": 4,
    "created_at": NOON,
    "updated_at": NOON,
}
Complete = Callable[[str], list[str]]


def _page(*items: dict[str, Any]) -> Document:
    return Document({"items": list(items), "next_cursor": None})


@pytest.fixture
def complete(outlast: Outlast, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Complete a line as fish does, which shows both what is offered and what is said of it."""

    def complete(line: str) -> list[str]:
        monkeypatch.setenv("_OUTLAST_COMPLETE", "complete_fish")
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"outlast {line}")
        ended = outlast()
        assert (ended.code, ended.err) == (0, "")
        return [offered for offered in ended.out.splitlines() if offered]

    return complete


def test_commands(complete: Complete) -> None:
    """Commands are offered with what they do, those of a project included."""
    assert complete("re") == [
        "restart\tRestart one part of what `up` started.",
        "register\tMake a worker known to Restate.",
        "reject\tRefuse a tool call that waits for...",
        "redeliver\tTell a run's webhooks again.",
        "resume\tLet a paused run try again.",
    ]


@pytest.mark.parametrize("line", ["run ", "chat su", "runs --agent "])
def test_agents(app: ScriptedApp, complete: Complete, line: str) -> None:
    """Where an agent belongs, the agents are offered."""
    app.on("GET /agents", _page({**AGENT, "description": "Helps."}, {**AGENT, "name": "sully"}))
    assert complete(line) == ["support\tHelps.", "sully"]


@pytest.mark.parametrize("line", ["watch ", "get support."])
def test_runs(app: ScriptedApp, complete: Complete, line: str) -> None:
    """Where a run belongs, runs are offered as the server lists them: newest first."""
    app.on("GET /runs", _page(*ALL_RUNS))
    assert complete(line) == [f"{RUN_ID}\twaiting approval", f"{OTHER_ID}\tcompleted"]
    assert complete("watch x") == []


@pytest.mark.parametrize("command", ["cancel", "steer"])
def test_open_runs(app: ScriptedApp, complete: Complete, command: str) -> None:
    """What has ended is not offered for what only a run in progress takes."""
    app.on("GET /runs", _page(*ALL_RUNS))
    assert complete(f"{command} ") == [f"{RUN_ID}\twaiting approval"]


def test_paused_runs(app: ScriptedApp, complete: Complete) -> None:
    """Only paused runs can be resumed."""
    app.on("GET /runs", _page(wire.run("paused")))
    assert complete("resume ") == [f"{RUN_ID}\tpaused"]
    assert "status=paused" in app.requests[0].line


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_approvals(app: ScriptedApp, complete: Complete, command: str) -> None:
    """Runs that wait are offered with their tools, then the calls of the one that was chosen."""
    calls = [wire.approval(), wire.approval(call_id="1.1", name="pay")]
    app.on(
        "GET /approvals", _page(*[{**call, "run_id": RUN_ID, "agent": "support"} for call in calls])
    )
    decided = wire.approval({"call_id": "0.0", "action": "approve", "at": NOON}, call_id="0.0")
    app.on(f"GET /runs/{RUN_ID}", Document(wire.run("waiting", approvals=[decided, *calls])))
    assert complete(f"{command} ") == [f"{RUN_ID}\trefund, pay"]
    assert complete(f"{command} {RUN_ID} ") == ["1.0\trefund", "1.1\tpay"]


@pytest.mark.parametrize("line", ["messages ", "chat support --thread ", "runs --thread m"])
def test_threads(app: ScriptedApp, complete: Complete, line: str) -> None:
    """Where a thread belongs, threads are offered."""
    app.on("GET /threads", _page(THREAD))
    assert complete(line) == ["mine\tidle, 4 messages"]


def test_the_server_that_was_named(
    app: ScriptedApp, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options before the command count, as they do when it is run."""
    monkeypatch.setenv("OUTLAST_URL", "http://127.0.0.1:1")
    app.on("GET /agents", _page(AGENT))
    assert complete(f"--url {app.url} --key secret-1 run ") == ["support"]
    assert app.requests[0].headers["authorization"] == "Bearer secret-1"


@pytest.mark.parametrize("answer", [Document({"items": 1}), Document(status=500), Stream([])])
def test_an_answer_that_is_none(app: ScriptedApp, complete: Complete, answer: Any) -> None:
    """A server that can't say offers nothing, and says nothing in the middle of a line."""
    app.on("GET /agents", answer)
    assert complete("run ") == []


@pytest.mark.parametrize("line", ["run ", "watch ", "--url nowhere run ", "--url http://a:b run "])
def test_nobody_there(app: ScriptedApp, complete: Complete, line: str) -> None:
    """Without a server nothing is offered, and nothing is said."""
    app.stop()
    assert complete(line) == []


def test_a_missing_package(complete: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of a command that is not installed are completed by nothing but silence."""
    monkeypatch.setattr(catalog, "entry_points", lambda group: EntryPoints([]))
    assert f"{RUN_ID}" not in complete("init ")


def test_a_slow_server(app: ScriptedApp, complete: Complete) -> None:
    """Nobody waits long at a line that is not complete."""
    app.on("GET /runs", Stream([], ending="held"))
    assert complete("watch ") == []


_WRITTEN = ["\\$(touch pwned)", "\\`touch pwned\\`", "'; touch pwned; '", "*", "[/x]"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_others_wrote(app: ScriptedApp, tmp_path: Path, shell: str) -> None:
    """Words of a model, or of whoever named something, never become a shell's commands."""
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    said = [{**AGENT, "description": written} for written in _WRITTEN]
    app.on("GET /agents", _page(*said, *[{**AGENT, "name": written} for written in _WRITTEN]))
    script = {
        "bash": "COMP_WORDS=(outlast run '') COMP_CWORD=2; _outlast_completion ./outlast",
        "zsh": "words=(outlast run '') CURRENT=3; _outlast_completion",
        "fish": "complete --do-complete 'outlast run '",
    }[shell]
    command = tmp_path / "outlast"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m outlast_cli "$@"\n')
    command.chmod(0o700)
    shown = subprocess.run(
        [command],
        env={**environment(app.url), "_OUTLAST_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # zsh has these when somebody types. Its own evaluates what is between `*: :((` and `))`, too.
    stand_ins = 'compdef() {}; _arguments() { eval "w=( ${1[7,-3]} )"; }\n' * (shell == "zsh")
    path = f"{tmp_path}:{environment(app.url)['PATH']}"
    ended = subprocess.run(
        [shell, "-c", f"{stand_ins}{shown}\n{script}"],
        env={**environment(app.url), "PATH": path, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert app.sent("GET /agents")
    assert ended.stderr == ""
    assert not (tmp_path / "pwned").exists()
