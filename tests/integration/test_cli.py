"""The command line against the real stack."""

import json
from subprocess import CompletedProcess
from typing import Any

from fakes.api import Api
from fakes.command_line import CTRL_C, CTRL_D, Terminal, run_command
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import call, hang, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def _outlast(stack: TestStack, *arguments: str, said: str = "") -> CompletedProcess[str]:
    return run_command(stack.app_url, arguments, said)


def _lines(ended: CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.stdout.split("\n") if line]


def test_list(stack: TestStack, api: Api) -> None:
    """The agents are those of the app."""
    ended = _outlast(stack, "list", "--json")
    names = [agent["name"] for agent in json.loads(ended.stdout)["items"]]
    served = api.http.get("/agents", params={"limit": 100}).json()["items"]
    assert names == [agent["name"] for agent in served]
    assert "tester" in _outlast(stack, "list").stdout


def test_run(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A person sees calls, results, the answer, and what it cost."""
    model.script(key, [call("note", text="a"), text("all noted")])
    ended = _outlast(stack, "run", "tester", "-", said=key)
    assert (ended.returncode, ended.stderr) == (0, "")
    _, asked, answered, said, summary = ended.stdout.splitlines()
    assert asked == '→ 1.0 note {"text": "a"}'
    assert answered.startswith("← 1.0 note, ")
    assert answered.endswith(": noted a")
    assert said == "all noted"
    assert summary.startswith("completed · 2 model calls, 1 tool call · ")


def test_run_for_a_script(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """A script gets the events as they are, and the run has all options."""
    model.script(key, [call("note", text="a"), text("fine")])
    thread_id = key.replace(" ", "-")
    options = ["--thread", thread_id, "--metadata", "ticket=7", "--max-turns", "1"]
    ended = _outlast(stack, "run", "tester", key, "--json", *options)
    events = [event for event in _lines(ended) if "seq" in event]
    run = events[-1]["run"]
    assert ended.returncode == 1
    assert run["incomplete_reason"] == "max_turns"
    assert (run["thread_id"], run["metadata"]) == (thread_id, {"ticket": "7"})
    assert_events_are_whole(events, api.get(run["run_id"]))


def test_start_and_watch(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A run that was started without waiting can be watched, during and after it."""
    model.script(key, [call("hold", gate=key), text("open now")])
    started = _outlast(stack, "run", "tester", key, "--async")
    run_id = started.stdout.strip()
    with Terminal(stack.app_url, "watch", run_id) as terminal:
        terminal.wait_for("→ 1.0 hold")
        stack.open_gate(key)
        assert terminal.wait() == 0
        assert "open now" in terminal.shown
    events = _lines(_outlast(stack, "watch", run_id, "--json"))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    after = _outlast(stack, "watch", run_id, "--after", str(len(events)))
    assert (after.returncode, after.stdout[:9]) == (0, "completed")


def test_the_same_key(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A start that is repeated under its key gives the same run, from its first event on."""
    model.script(key, [text("once")])
    arguments = ["run", "tester", key, "--idempotency-key", key, "--json"]
    told = [_lines(_outlast(stack, *arguments)) for _ in range(2)]
    first, second = ([event for event in events if "seq" in event] for events in told)
    assert first == second


def test_cancel(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """A cancelled run ends its watchers with 1; cancelling what has ended is a problem."""
    model.script(key, [hang()])
    run_id = api.start("tester", key)
    model.wait_for(key)
    with Terminal(stack.app_url, "watch", run_id) as terminal:
        terminal.wait_for("run tester.")
        assert _outlast(stack, "cancel", run_id).returncode == 0
        assert terminal.wait() == 1
    assert json.loads(_outlast(stack, "get", run_id, "--json").stdout)["status"] == "cancelled"


def test_detach(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """Ctrl-C leaves the run alone."""
    model.script(key, [call("hold", gate=key), text("went on")])
    with Terminal(stack.app_url, "run", "tester", key, "--idempotency-key", key) as terminal:
        terminal.wait_for("→ 1.0 hold")
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
    run_id = _outlast(stack, "run", "tester", key, "--idempotency-key", key, "--async").stdout
    stack.open_gate(key)
    assert api.result(run_id.strip())["output"] == "went on"


def test_a_refusal(stack: TestStack) -> None:
    """An unknown agent is a problem, in the server's words."""
    ended = _outlast(stack, "run", "nobody", "hello")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "tester" in ended.stderr


def test_approve(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A script is told how to decide; what waits is listed, approved, and the run goes on."""
    model.script(key, [call("pay", cents=5), text("paid at last")])
    asked = _outlast(stack, "run", "tester", key, "--thread", key.replace(" ", "-"))
    assert asked.returncode == 4
    [command] = [line for line in asked.stderr.splitlines() if "outlast approve" in line]
    run_id, call_id = command.split()[2:4]
    waiting = json.loads(_outlast(stack, "approvals", "--json").stdout)["items"]
    assert (run_id, call_id) in {(item["run_id"], item["call_id"]) for item in waiting}
    assert _outlast(stack, "approve", run_id, call_id, "--by", "ann").returncode == 0
    watched = _outlast(stack, "watch", run_id)
    assert (watched.returncode, "paid at last" in watched.stdout) == (0, True)
    assert "approved by ann" in watched.stdout
    assert _outlast(stack, "reject", run_id, call_id).returncode == 1


def test_steer(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """A message typed in one terminal is seen in the one that watches the run."""
    model.script(f"{key} start", [call("hold", gate=key)])
    model.script(f"{key} hurry", [text("hurried")])
    run_id = api.start("tester", f"{key} start")
    stack.wait_for_effects(1, gate=key)
    with Terminal(stack.app_url, "watch", run_id) as terminal:
        assert _outlast(stack, "steer", run_id, f"{key} hurry").returncode == 0
        stack.open_gate(key)
        assert terminal.wait() == 0
        assert "hurried" in terminal.shown
        assert "»" in terminal.shown


def test_a_conversation_goes_on(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """What was said can be read, whole or its end, and is shown where a chat takes it up."""
    model.script(f"{key} one", [call("note", text="a"), text("noted one")])
    model.script(f"{key} two", [text("noted two")])
    thread_id = key.replace(" ", "-")
    for said in (f"{key} one", f"{key} two"):
        assert _outlast(stack, "run", "tester", said, "--thread", thread_id).returncode == 0
    # A run hands over what was said after its end.
    wait_until(lambda: len(api.messages(thread_id)) == 6, "both runs' messages")
    whole = _outlast(stack, "messages", thread_id).stdout.splitlines()
    assert [line for line in whole if " · run tester." not in line] == [
        f"> {key} one",
        '→ 1.0 note {"text": "a"}',
        "← 1.0 note: noted a",
        "noted one",
        f"> {key} two",
        "noted two",
    ]
    end = json.loads(_outlast(stack, "messages", thread_id, "--limit", "2", "--json").stdout)
    assert [message["content"] for message in end["items"]] == [f"{key} two", "noted two"]
    with Terminal(stack.app_url, "chat", "tester", "--thread", thread_id) as terminal:
        terminal.wait_for_prompt()
        assert terminal.shown.index("noted one") < terminal.shown.index("noted two")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0


def test_why_it_takes_so_long(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """A model that does not answer, a tool at work and the line on a thread are all named."""
    thread_id = key.replace(" ", "-")
    model.script(f"{key} one", [call("hold", gate=key), hang()])
    run_id = api.start("tester", f"{key} one", thread_id=thread_id)
    second = api.start("tester", f"{key} two", thread_id=thread_id)
    with Terminal(stack.app_url, "watch", run_id) as terminal:
        terminal.wait_for("hold (2 s)")
        stack.open_gate(key)
        terminal.wait_for("the model is thinking (2 s)")
    with Terminal(stack.app_url, "watch", second) as terminal:
        terminal.wait_for("queued behind another run on its thread")
    for waiting in (second, run_id):
        assert _outlast(stack, "cancel", waiting).returncode == 0


def test_decisions_in_a_conversation(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """What was left for later is asked again; refused arguments too; Ctrl-C cancels that run."""
    model.script(f"{key} one", [call("pay", cents=5), text("paid one")])
    model.script(f"{key} two", [call("pay", cents=6), text("paid two")])
    model.script(f"{key} three", [text("and three")])
    chat = ["chat", "tester", "--thread", key.replace(" ", "-")]
    with Terminal(stack.app_url, *chat) as terminal:
        terminal.wait_for("> ")
        terminal.type(f"{key} one\n")
        terminal.wait_for("[l]ater: ")
        terminal.type(CTRL_D)
        assert terminal.wait() == 4
    with Terminal(stack.app_url, *chat) as terminal:
        for count, arguments in enumerate(['{"cents": "q"}', '{"cents": 7}'], start=1):
            terminal.wait_for("[l]ater: ", times=count)
            terminal.type("e\n")
            terminal.wait_for("Arguments [", times=count)
            terminal.type(f"{arguments}\n")
        terminal.wait_for("paid one")
        assert "The request is not valid. " in terminal.shown
        terminal.wait_for_prompt()
        terminal.type(f"{key} two\n")
        terminal.wait_for("[l]ater: ", times=3)
        terminal.type(CTRL_C)
        terminal.wait_for_prompt()
        terminal.type(f"{key} three\n")
        terminal.wait_for("and three")
        terminal.wait_for_prompt()
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
        assert terminal.shown.count("[l]ater") == 3
        assert "paid two" not in terminal.shown


def test_behind_a_run_that_waits(
    stack: TestStack, api: Api, model: ScriptedModel, key: str
) -> None:
    """Who starts a run behind one that waits for a person is told; later both are followed."""
    thread_id = key.replace(" ", "-")
    model.script(f"{key} one", [call("pay", cents=5), text("paid one")])
    model.script(f"{key} two", [text("and two")])
    first = api.start("tester", f"{key} one", thread_id=thread_id)
    api.wait_for_approval(first)
    with Terminal(stack.app_url, "run", "tester", f"{key} two", "--thread", thread_id) as terminal:
        terminal.wait_for(f"behind {first}, which waits for a decision")
        terminal.wait_for(f"outlast approve {first} 1.0")
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
    with Terminal(stack.app_url, "chat", "tester", "--thread", thread_id) as terminal:
        terminal.wait_for("[l]ater: ")
        terminal.type("a\n")
        terminal.wait_for("and two")
        terminal.wait_for_prompt()
        assert terminal.shown.index("paid one") < terminal.shown.index("and two")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
