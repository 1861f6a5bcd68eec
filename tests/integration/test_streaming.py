"""Live events: what a client sees of a run while it goes on."""

from typing import Any

import httpx

from fakes.api import Api
from fakes.events import parse_events
from fakes.follower import Follower, assert_exact
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, cut, fault, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

WORDS = "one two three four five six seven eight"


def follow(api: Api, run_id: str) -> Follower:
    return Follower([str(api.http.base_url)], run_id)


def test_start_as_a_stream(api: Api, model: ScriptedModel, key: str) -> None:
    """One request starts a run and streams all of it; its address is in the headers."""
    gate = Gate()
    model.script(key, [call("note", text="a"), text(WORDS, pace_s=0.02, gate=gate)])
    body, headers = {"input": key}, {"Accept": "text/event-stream"}
    events = list[dict[str, Any]]()
    with api.http.stream("POST", "/agents/tester/runs", json=body, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        for event in parse_events(stream.iter_lines()):
            events.append(event)
            if event["type"] == "message.reset" and event["turn"] == 2:
                gate.open()
    run = events[-1]["run"]
    assert stream.headers["content-location"] == f"/runs/{run['run_id']}/events"
    deltas = [e for e in events if e["type"] == "message.delta" and e["turn"] == 2]
    assert "".join(delta["text"] for delta in deltas) == WORDS
    assert [delta["n"] for delta in deltas] == list(range(len(deltas)))
    assert len(deltas) > 1


def test_committed_events_come_at_once(api: Api, model: ScriptedModel, key: str) -> None:
    """An event is there within a few ms of the step that it tells of, not at the next poll."""
    gate = Gate()
    model.script(key, [text("ok", gate=gate)])
    run_id = api.start("tester", key)
    with follow(api, run_id) as follower:
        follower.wait(lambda: follower.of("message.reset"), "the model call")
        gate.open()
        follower.wait_for_end()
    answered, ended = follower.of("message.completed", "run.completed")
    delta = follower.of("message.delta")[0]
    assert ended["at"] - delta["at"] < 1
    assert answered["at"] <= ended["at"]


def test_who_comes_late_sees_all(api: Api, model: ScriptedModel, key: str) -> None:
    """A client that comes in the middle of an answer has all of it, and misses nothing after."""
    gate = Gate(after_chunks=4)
    model.script(key, [text(WORDS, gate=gate)])
    run_id = api.start("tester", key)
    with follow(api, run_id) as early:
        early.wait_for_text(1, "one two three")
        with follow(api, run_id) as late:
            late.wait_for_text(1, "one two three")
            assert late.of("message.snapshot")
            gate.open()
            run = late.wait_for_end()
    assert run["output"] == WORDS
    assert_exact(late, api.get(run_id))
    assert_exact(early, api.get(run_id))


def test_stream_that_breaks_half_way(api: Api, model: ScriptedModel, key: str) -> None:
    """A provider's broken stream and a 429 are one stream for the client, without doubled text."""
    broken = cut(text(WORDS, pace_s=0.02), 5)
    limited = fault(429, headers={"retry-after": "0"})
    model.script(key, [attempts(broken, limited, text(WORDS, pace_s=0.01))])
    run_id = api.start("tester", key)
    with follow(api, run_id) as follower:
        follower.wait_for_end()
    assert follower.connections == 1
    assert_exact(follower, api.get(run_id))
    assert all(WORDS.startswith(shown) for shown in follower.texts)
    assert len({event["attempt"] for event in follower.of("message.reset")}) > 1


def test_what_nobody_wants_to_see_is_not_shown(api: Api, model: ScriptedModel, key: str) -> None:
    """Models are always asked to stream; what they say is shown as it comes only if `stream` is."""
    model.script(key, [text(WORDS, pace_s=0.01)])
    run_id = api.start("tester", key, stream=False)
    with follow(api, run_id) as follower:
        follower.wait_for_end()
    assert model.requests(key)[0].streamed
    assert follower.of("message.delta") == []


def test_progress_of_a_tool(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A tool says how far it is."""
    model.script(key, [call("count", steps=3, gate=key), text("ok")])
    run_id = api.start("tester", key)
    with follow(api, run_id) as follower:
        follower.wait(lambda: follower.of("tool_call.progress"), "progress")
        stack.open_gate(key)
        follower.wait_for_end()
    progress = follower.of("tool_call.progress")[0]
    assert (progress["call_id"], progress["done"], progress["total"]) == ("1.0", 3, 3)
    assert progress["message"] == "counted"


def test_client_that_leaves(api: Api, model: ScriptedModel, key: str) -> None:
    """A client that goes away, even one that started the run, ends nothing."""
    gate = Gate(after_chunks=3)
    model.script(key, [text(WORDS, gate=gate)])
    body, headers = {"input": key}, {"Accept": "text/event-stream"}
    with api.http.stream("POST", "/agents/tester/runs", json=body, headers=headers) as stream:
        run_id = stream.headers["location"].removeprefix("/runs/")
        shown = ("message.delta", "message.snapshot")
        next(event for event in parse_events(stream.iter_lines()) if event["type"] in shown)
    gate.open()
    assert api.result(run_id)["output"] == WORDS


def test_log_of_requests(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The app's log tells of a stream when it ends, and of which run it was."""
    model.script(key, [text("ok")])
    run_id = api.start("tester", key)
    api.events(run_id)

    def told() -> list[tuple[str, int]]:
        lines = [line for line in stack.logged("request_ended", "app") if "run_id" in line]
        return [(line["route"], line["status"]) for line in lines if line["run_id"] == run_id]

    wait_until(lambda: len(told()) == 2, "two lines")
    assert told() == [("/agents/{agent}/runs", 202), ("/runs/{run_id}/events", 200)]


def test_client_that_does_not_read(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A client that stops reading does not slow the run down, nor other clients."""
    long = " ".join(f"word{index}" for index in range(30_000))
    model.script(key, [text(long)])
    run_id = api.start("tester", key)
    with (
        httpx.Client(base_url=stack.app_url, trust_env=False, timeout=60) as client,
        client.stream("GET", f"/runs/{run_id}/events") as silent,
    ):
        with follow(api, run_id) as follower:
            run = follower.wait_for_end()
        assert run["output"] == long
        ends = [line for line in silent.iter_lines() if line.startswith("event: run.")]
    assert ends[-1] == "event: run.completed"
    assert_exact(follower, api.get(run_id))


def test_nothing_left(api: Api, model: ScriptedModel, key: str) -> None:
    """An ended run's stream gives the committed events again, and nothing live."""
    model.script(key, [text(WORDS)])
    run_id = api.start("tester", key)
    api.result(run_id)
    wait_until(lambda: api.events(run_id), "the events")
    whole = api.http.get(f"/runs/{run_id}/events").text
    assert "message.delta" not in whole
    assert whole.count("event: message.completed") == 1


def test_killed_in_mid_stream(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Nothing stays shown of an answer that nothing came of, and latecomers see none of it."""
    gate = Gate(after_chunks=4)
    model.script(key, [text(WORDS, gate=gate)])
    run_id = api.start("tester", key)
    with follow(api, run_id) as follower:
        follower.wait_for_text(1, "one two three")
        stack.administer(run_id, "kill")
        follower.wait_for_end()
    assert follower.text == {}
    assert "message.snapshot" not in api.http.get(f"/runs/{run_id}/events").text
    gate.open()
