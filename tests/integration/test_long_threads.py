"""Conversations that grow too long for their models."""

from collections.abc import Sequence
from typing import Any

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Gate, Reply, Step, attempts, call, calls, fault, text
from fakes.stack import TestStack
from outlast_local.demo_model.openai_wire import Usage

FULL = Usage(prompt_tokens=800, completion_tokens=10)
"""Of an answer after which prompts are made shorter."""
TOO_LONG = fault(400, {"error": {"message": "Too much.", "code": "context_length_exceeded"}})
PAD = " and-so-on" * 40
SUMMARY = "In short: they counted."


class Thread:
    """Turns on a thread, each with the word that the test says it with."""

    def __init__(self, api: Api, model: ScriptedModel, key: str, agent: str = "rambler") -> None:
        self._api, self._model, self._key, self._agent = api, model, key, agent
        self.id = key.replace(" ", "-")

    def turn(self, word: str, *steps: Step, usage: Usage | None = None, **body: Any) -> str:
        """Have a turn, and return its run."""
        pad = PAD * 4 if word == "one" else PAD
        script = steps or (text(f"about {word}{pad}", usage=usage),)
        self._model.script(f"{self._key} {word}", script)
        asked = f"{self._key} {word}"
        run = self._api.run(self._agent, asked, thread_id=self.id, **body)
        assert run["status"] == "completed", run["error"]
        return run["run_id"]

    def turns(self, *words: str) -> list[str]:
        """Have several; the last one finds that the conversation has grown long."""
        usages = [*([None] * (len(words) - 1)), FULL]
        return [self.turn(word, usage=u) for word, u in zip(words, usages, strict=True)]

    def script_summary(self, first: str, *answers: Any) -> str:
        """Say what the model answers that sums up messages of which this is the first."""
        key = f'"text":"{self._key} {first}"'
        given = answers or (text(f"{SUMMARY} {self._key}"),)
        return self._model.script(key, [attempts(*given)])

    def heard(self, word: str, request: int = 0, turn: int = 1) -> list[str]:
        """Return what the model was told in a turn, but for instructions, without padding."""
        told = self._model.requests(f"{self._key} {word}", turn)[request]
        said = [str(message["content"] or "") for message in told.messages[1:]]
        return [each.removeprefix(f"{self._key} ").split(PAD)[0] for each in said]

    def summary(self) -> dict[str, Any] | None:
        return self._api.http.get(f"/threads/{self.id}").json()["summary"]


@pytest.fixture
def thread(api: Api, model: ScriptedModel, key: str) -> Thread:
    """The thread, to have turns on."""
    return Thread(api, model, key)


def compacted(api: Api, run_id: str) -> list[dict[str, Any]]:
    events = api.events(run_id)
    assert_events_are_whole(events, api.get(run_id))
    return [event for event in events if event["type"] == "compacted"]


def prompt(api: Api, run_id: str, turn: int = 1) -> dict[str, Any]:
    answer = api.http.get(f"/runs/{run_id}/turns/{turn}/prompt")
    assert answer.status_code == 200, answer.text
    return answer.json()


def contents(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [str(message["content"]) for message in messages]


def is_summary(said: str) -> bool:
    return said.startswith("[What was said before is left out") and SUMMARY in said


def test_a_long_conversation_is_summed_up_once(
    api: Api, stack: TestStack, model: ScriptedModel, thread: Thread
) -> None:
    """The run that finds it long has it summed up; later ones go on from there."""
    summary_key = thread.script_summary("one")
    thread.turns("one", "two", "three")
    assert thread.summary() is None
    fourth = thread.turn("four")
    first, *rest = thread.heard("four")
    assert is_summary(first)
    assert rest == ["three", "about three", "four"]
    [event] = compacted(api, fourth)
    assert (event["how"], event["messages"], event["turn"]) == ("summary", 4, 1)
    assert event["tokens_before"] > 800 > event["tokens_after"]
    run = api.get(fourth)
    assert run["usage"]["model_calls"] == 2
    assert run["usage"]["input_tokens"] > event["usage"]["input_tokens"] > 0
    # The next one, and what both read, as it was sent.
    fifth = thread.turn("five")
    assert thread.heard("five") == [first, *rest, "about four", "five"]
    assert model.count(summary_key) == 1
    assert not compacted(api, fifth)
    for run_id, own in ((fourth, 1), (fifth, 1)):
        shown = prompt(api, run_id)
        sent = {fourth: thread.heard("four"), fifth: thread.heard("five")}[run_id]
        assert [each.split(PAD)[0] for each in contents(shown["messages"])[1:]] == [
            f"{thread.id.replace('-', ' ')} {each}" if each in ("three", "four", "five") else each
            for each in sent[1:]
        ]
        assert (shown["summary_of"], shown["is_whole"]) == (4, True)
        assert shown["history_count"] == len(shown["messages"]) - own
    # What was said is where it was.
    assert len(api.messages(thread.id)) == 10
    kept = thread.summary()
    assert kept is not None
    assert (kept["messages"], kept["how"], kept["run_id"]) == (4, "summary", fourth)
    listed = api.http.get("/threads").json()["items"]
    assert next(each for each in listed if each["thread_id"] == thread.id)["summary"] == kept


def test_a_worker_that_was_away_reads_from_the_summary_on(
    stack: TestStack, model: ScriptedModel, thread: Thread
) -> None:
    """Who remembers nothing of a conversation reads what runs read, and no more."""
    thread.script_summary("one")
    thread.turns("one", "two", "three")
    thread.turn("four")
    stack.worker.kill()
    stack.start_worker()
    thread.turn("five")
    first, *rest = thread.heard("five")
    assert is_summary(first)
    assert rest == ["three", "about three", "four", "about four", "five"]


def test_a_summary_is_summed_up(api: Api, model: ScriptedModel, thread: Thread, key: str) -> None:
    """With what was said since, when that has grown long; earlier prompts stay as they were."""
    thread.script_summary("one")
    thread.turns("one", "two", "three")
    fourth = thread.turn("four", usage=FULL)
    before = prompt(api, fourth)
    again = model.script(f'{SUMMARY} {key}"', [text("In short: they counted on.")])
    fifth = thread.turn("five")
    [request] = model.requests(again)
    assert "earlier summary" in request.messages[-1]["content"]
    kept = thread.summary()
    assert kept is not None
    assert (kept["messages"], kept["run_id"]) == (8, fifth)
    assert prompt(api, fourth) == before
    assert prompt(api, fifth)["summary_of"] == 8
    assert "they counted on." in thread.heard("five")[0]


@pytest.mark.parametrize(("left", "stays"), [(5, True), (3, False)])
def test_taking_back(api: Api, thread: Thread, *, left: int, stays: bool) -> None:
    """Messages that a summary covers take it with them; others do not."""
    thread.script_summary("one")
    thread.turns("one", "two", "three")
    thread.turn("four")
    after = api.messages(thread.id)[left - 1]["id"]
    path = f"/threads/{thread.id}/messages"
    assert api.http.delete(path, params={"after": after}).status_code == 204
    assert (thread.summary() is not None) == stays
    thread.turn("five")
    heard = thread.heard("five")
    assert is_summary(heard[0]) == stays
    assert heard[1:] == (["three", "five"] if stays else ["about one", "two", "five"])
    thread.turn("six")
    assert thread.heard("six") == [*heard, "about five", "six"]


def test_nothing_is_left_of_a_thread_that_is_gone(api: Api, thread: Thread) -> None:
    """One of its name that is made anew, or in whose place another comes, has no summary."""
    thread.script_summary("one")
    thread.turns("one", "two", "three")
    fourth = thread.turn("four")
    thread.turn("five", history="replace")
    assert (thread.summary(), thread.heard("five")) == (None, ["five"])
    thread.turn("six")
    assert thread.heard("six") == ["five", "about five", "six"]
    shown = prompt(api, fourth)
    assert is_summary(shown["messages"][0]["content"])
    assert not shown["is_whole"]  # what followed the summary then is gone
    assert api.http.delete(f"/threads/{thread.id}").status_code == 204
    thread.turn("seven")
    assert (thread.summary(), thread.heard("seven")) == (None, ["seven"])


def test_a_run_that_is_itself_too_long(api: Api, model: ScriptedModel, key: str) -> None:
    """Its own turns are summed up, on no thread, never between a call and its result."""
    two = calls(call("note", text=f"{key} b{PAD}"), call("note", text=f"{key} c{PAD}"), usage=FULL)
    # The question stays, in a message of which it is the second turn again.
    script = [call("note", text=f"{key} a{PAD}"), attempts(two, text("done"))]
    model.script(f"Go on, {key}.", script)
    asked = f'"text":"Go on, {key}."'
    model.script(asked, [text(SUMMARY)])
    run = api.run("rambler", f"Go on, {key}.")
    assert (run["status"], run["output"]) == ("completed", "done"), run["error"]
    assert len(run["messages"]) == 7
    [event] = compacted(api, run["run_id"])
    assert event["turn"] == 3
    shown = prompt(api, run["run_id"], 3)
    assert [message["role"] for message in shown["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert is_summary(shown["messages"][0]["content"])
    assert f"Go on, {key}." in shown["messages"][0]["content"]  # the question, in its own words
    assert len(prompt(api, run["run_id"], 2)["messages"]) == 3


def test_a_provider_says_that_it_is_too_long(
    api: Api, model: ScriptedModel, thread: Thread
) -> None:
    """It is summed up, whatever was counted, and asked again; nothing is marked as refused."""
    thread.script_summary("one")
    for word in ("one", "two", "three"):
        thread.turn(word)
    fourth = thread.turn("four", attempts(TOO_LONG, text("ok")))
    assert len(thread.heard("four")) == 7
    assert is_summary(thread.heard("four", 1)[0])
    assert len(compacted(api, fourth)) == 1
    assert all(message["refused"] is None for message in api.messages(thread.id))
    kept = thread.summary()
    assert kept is not None
    assert kept["run_id"] == fourth


def test_without_a_summary_the_thread_goes_on(api: Api, thread: Thread) -> None:
    """What does not fit is left out in that run; the next one has it summed up."""
    refused = fault(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}})
    thread.script_summary("one", refused, refused, text(SUMMARY))
    thread.turns("one", "two", "three")
    fourth = thread.turn("four", attempts(TOO_LONG, text(f"about four{PAD}", usage=FULL)))
    assert len(thread.heard("four")) == 7  # the first summary was refused, and it may have fit
    assert [event["how"] for event in compacted(api, fourth)] == ["window"]
    assert not is_summary(thread.heard("four", 1)[0])
    assert thread.summary() is None
    fifth = thread.turn("five")
    assert is_summary(thread.heard("five")[0])
    assert [event["how"] for event in compacted(api, fifth)] == ["summary"]


def test_a_window(api: Api, model: ScriptedModel, key: str) -> None:
    """An agent that wants none is asked for no summary: later runs begin where it left off."""
    thread = Thread(api, model, key, "forgetful")
    thread.turns("one", "two", "three")
    fourth = thread.turn("four")
    note, *rest = thread.heard("four")
    assert note.startswith("[What was said before is left out here")
    assert rest == ["three", "about three", "four"]
    assert api.get(fourth)["usage"]["model_calls"] == 1
    kept = thread.summary()
    assert kept is not None
    assert (kept["messages"], kept["how"]) == (4, "window")
    thread.turn("five")
    assert thread.heard("five") == [note, *rest, "about four", "five"]


def test_a_cancellation_meanwhile(api: Api, model: ScriptedModel, thread: Thread) -> None:
    """The run ends at once; the next one has the conversation summed up."""
    gate = Gate()
    summing_up = thread.script_summary("one", Reply(text(SUMMARY).answer, gate=gate), text(SUMMARY))
    thread.turns("one", "two", "three")
    model.script(f"{thread.id.replace('-', ' ')} four", [text("never")])
    run_id = api.start("rambler", f"{thread.id.replace('-', ' ')} four", thread_id=thread.id)
    model.wait_for(summing_up)
    api.cancel(run_id)
    api.wait_for_status(run_id, "cancelled")
    gate.open()
    assert thread.summary() is None
    thread.turn("five")
    assert is_summary(thread.heard("five")[0])


def test_described(api: Api) -> None:
    """`GET /agents` says what becomes of long conversations."""
    described = api.http.get("/agents/forgetful").json()
    assert {name: described[name] for name in ("compaction", "compact_at", "context_window")} == {
        "compaction": "window",
        "compact_at": 0.7,
        "context_window": 1_000,
    }
