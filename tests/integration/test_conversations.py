"""What was said on a thread: remembered by the worker, and read where it is not."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


class Thread:
    """Turns on a thread, each with the word that the test says it with."""

    def __init__(self, api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
        self._api = api
        self._model = model
        self._key = key
        self._id = thread_id

    def turn(self, word: str, *steps: Any, **body: Any) -> str:
        """Have a turn, and return its run."""
        self._model.script(f"{self._key} {word}", [*steps, text(f"about {word}")])
        run = self._api.run("tester", f"{self._key} {word}", thread_id=self._id, **body)
        assert run["output"] == f"about {word}"
        return run["run_id"]

    def heard(self, word: str) -> list[str]:
        """Return what the model was told in a turn's first call, but for instructions."""
        [told, *_] = self._model.requests(f"{self._key} {word}")
        said = [message["content"] for message in told.messages[1:]]
        return [str(content).removeprefix(f"{self._key} ") for content in said]


@pytest.fixture
def thread(api: Api, model: ScriptedModel, key: str, thread_id: str) -> Thread:
    """The thread, to have turns on."""
    return Thread(api, model, key, thread_id)


def model_steps(stack: TestStack, run_id: str) -> int:
    """Return how often a model step was executed: twice if the conversation had to be read."""
    return sum(step.startswith("model ") for step in stack.executions(run_id))


def test_a_turn_reads_nothing_that_its_worker_has_heard(stack: TestStack, thread: Thread) -> None:
    """The worker that had a thread's last turn has its next one without reading it."""
    runs = [thread.turn(word) for word in ("one", "two", "three")]
    assert [model_steps(stack, run_id) for run_id in runs] == [1, 1, 1]
    assert thread.heard("three") == ["one", "about one", "two", "about two", "three"]


def test_what_was_said_is_not_journaled(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A run's journal is as small after a long conversation as after a short one."""
    gate = Gate()
    model.script(f"{key} one", [text("x" * 500_000)])
    model.script(f"{key} two", [text("ok", gate=gate)])
    api.run("tester", f"{key} one", thread_id=thread_id)
    run_id = api.start("tester", f"{key} two", thread_id=thread_id)
    model.wait_for(f"{key} two")
    [written] = stack.query(
        "SELECT sum(raw_length) AS bytes FROM sys_journal"
        f" WHERE id = '{stack.invocation_id(run_id)}'"
    )
    gate.open()
    assert api.result(run_id)["output"] == "ok"
    assert written["bytes"] < 20_000


def test_a_thread_made_anew_is_another_one(
    api: Api, stack: TestStack, thread: Thread, thread_id: str
) -> None:
    """What was said before a thread was deleted is not there afterwards, at the same length."""
    for word in ("one", "two"):
        thread.turn(word)
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    for word in ("three", "four", "five"):
        thread.turn(word)
    assert thread.heard("three") == ["three"]
    assert thread.heard("five") == ["three", "about three", "four", "about four", "five"]


def test_what_was_taken_back_is_not_remembered(
    api: Api, stack: TestStack, thread: Thread, thread_id: str
) -> None:
    """A turn after messages were taken back reads what is left, and the next one remembers it."""
    for word in ("one", "two"):
        thread.turn(word)
    left = api.messages(thread_id)[1]["id"]
    path = f"/threads/{thread_id}/messages"
    assert api.http.delete(path, params={"after": left}).status_code == 204
    thread.turn("three")
    run_id = thread.turn("four")
    assert thread.heard("three") == ["one", "about one", "three"]
    assert thread.heard("four") == ["one", "about one", "three", "about three", "four"]
    # After "three" the worker knew the words, and the thread their digest; not so before it.
    assert model_steps(stack, run_id) <= 2
    assert model_steps(stack, thread.turn("five")) == 1


def test_what_others_added_is_read(
    api: Api, stack: TestStack, model: ScriptedModel, thread: Thread, thread_id: str, key: str
) -> None:
    """A killed run's words, which its worker did not add itself, are in the next turn."""
    thread.turn("one")
    gate = Gate()
    model.script(f"{key} killed", [call("note", text=key), text("never", gate=gate)])
    run_id = api.start("tester", f"{key} killed", thread_id=thread_id)
    model.wait_for(f"{key} killed", turn=2)
    stack.administer(run_id, "kill")
    api.wait_for_status(run_id, "failed")
    assert api.http.get(f"/threads/{thread_id}").json()["status"] == "idle"
    thread.turn("two")
    heard = thread.heard("two")
    assert heard[:3] == ["one", "about one", "killed"]
    assert heard[-1] == "two"
    assert len(heard) == 6
    gate.open()


def test_those_in_line_and_late_ones_go_on_with_what_was_said(
    api: Api, stack: TestStack, model: ScriptedModel, thread: Thread, thread_id: str, key: str
) -> None:
    """Runs that waited for the thread, or joined it late, hear the turns before them."""
    thread.turn("one")
    gate = Gate()
    model.script(f"{key} two", [text("about two", gate=gate)])
    model.script(f"{key} three", [text("about three")])
    api.start("tester", f"{key} two", thread_id=thread_id)
    model.wait_for(f"{key} two")
    waiting = api.start("tester", f"{key} three", thread_id=thread_id)
    gate.open()
    assert api.result(waiting)["output"] == "about three"
    late = thread.turn("four", after_s=0.1)
    before = ["one", "about one", "two", "about two", "three"]
    assert thread.heard("three") == before
    assert thread.heard("four") == [*before, "about three", "four"]
    assert [model_steps(stack, run_id) for run_id in (waiting, late)] == [1, 1]


def test_tool_results_and_several_turns_of_a_run(stack: TestStack, thread: Thread) -> None:
    """Every call of a run has all that was said before, once."""
    thread.turn("one", call("note", text="a"))
    run_id = thread.turn("two", call("note", text="b"), call("note", text="c"))
    assert model_steps(stack, run_id) == 3
    assert thread.heard("two")[0] == "one"
    assert len(thread.heard("two")) == 5
