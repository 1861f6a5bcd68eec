"""Runs as responses: recorded; in events and whole; resumed anywhere."""

import json
import os
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from fakes.frames import read_frames
from fakes.repository import ROOT
from fakes.retold import Telling, connections, tellings
from fakes.scenarios import SCENARIOS, Happened, items_of, items_of_shown, said
from fakes.telling import Story
from fakes.watching import RUN_ID
from outlast.events import MessageCompleted, RunWaiting, UnknownEvent
from outlast_app.facades.ids import read_asked
from outlast_app.facades.items import Committed, Item
from outlast_app.facades.openai.response_encoder import ResponseEncoder
from outlast_app.facades.openai.response_object import Facts
from outlast_app.facades.positions import MAX_CHARS, Numbers, check_of

RECORDED = ROOT / "tests/fixtures/openai-responses.json"
STRUCTURED = {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}}
INT32 = 2**31 - 1


def facts(segment: int = 1, **changes: Any) -> Facts:
    return Facts(RUN_ID, segment, 1767225600, **changes)


def streamed(happened: Happened, encoder: ResponseEncoder, after: int = -1) -> list[Any]:
    parts: list[bytes] = []
    for item in items_of(happened, Numbers.read(after)):
        parts += encoder.take(item)
    return read_frames([*parts, *encoder.end()])


def read_again(happened: Happened, of: Facts) -> dict[str, Any]:
    """Return the response as who was not there reads it: of what is committed alone."""
    encoder = ResponseEncoder(of)
    for item in items_of(happened):
        if isinstance(item, Committed):
            for _ in encoder.take(item):
                pass
    return encoder.response()


def told(name: str) -> dict[str, Any]:
    """Tell a scenario: each of its segments, in events."""
    happened = SCENARIOS[name]()
    echo: Any = STRUCTURED if name == "answer_rejected" else {}
    responses: dict[str, Any] = {}
    for segment in range(1, 6):
        events = streamed(happened, ResponseEncoder(facts(segment, echo=echo)))
        if events:
            responses[str(segment)] = events
    return responses


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(name: str) -> None:
    """They are told as was recorded. After a change that is meant: RECORD_PROTOCOLS=1."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    responses = told(name)
    if os.environ.get("RECORD_PROTOCOLS"):
        all_told = {**recorded, name: responses}
        text = json.dumps(all_told, indent=1, ensure_ascii=False, sort_keys=True)
        RECORDED.write_text(text + "\n")
        return
    assert responses == recorded[name], test_scenarios.__doc__


@pytest.mark.parametrize("name", SCENARIOS)
def test_numbers_and_the_last_response(name: str) -> None:
    """Numbers rise and fit 31 bits; the last event has the response as anybody reads it."""
    for segment, events in told(name).items():
        numbers = [event["sequence_number"] for event in events]
        assert all(a < b for a, b in pairwise(numbers)), events
        assert numbers[-1] <= INT32
        assert events[0]["type"] == "response.created"
        echo: Any = STRUCTURED if name == "answer_rejected" else {}
        of = facts(int(segment), echo=echo)
        assert events[-1]["response"] == read_again(SCENARIOS[name](), of)
        added = [event for event in events if event["type"] == "response.output_item.added"]
        done = [event for event in events if event["type"] == "response.output_item.done"]
        assert [event["output_index"] for event in added] == list(range(len(added)))
        assert {event["output_index"] for event in done} == set(range(len(added)))


# But for those that take back text, which is not told again: that is what the property is for.
@pytest.mark.parametrize("name", sorted({*SCENARIOS} - {"retold", "killed", "cancelled"}))
def test_resumed_from_every_number(name: str) -> None:
    """Whoever comes back gets the rest, and the same."""
    happened = SCENARIOS[name]()
    echo: Any = STRUCTURED if name == "answer_rejected" else {}
    for segment, events in told(name).items():
        for index, event in enumerate(events):
            after = event["sequence_number"]
            encoder = ResponseEncoder(facts(int(segment), echo=echo), after)
            rest = streamed(happened, encoder, after)
            assert folded([*events[: index + 1], *rest]) == folded(events)
            assert all(each["sequence_number"] > after for each in rest)


def folded(events: list[Any]) -> Any:
    """Return what a client makes of events: texts by item and part, and all but deltas."""
    texts: dict[tuple[int, int], str] = {}
    others: list[Any] = []
    for event in events:
        if event["type"] == "response.output_text.delta":
            place = event["output_index"], event["content_index"]
            texts[place] = texts.get(place, "") + event["delta"]
        else:
            others.append(event)
    return texts, others


def kinds(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_an_answer_that_is_taken_back() -> None:
    """It goes on in another part of the same item; what was void is never said to be done."""
    [events] = told("retold").values()
    assert kinds(events)[4:] == [
        "output_text.delta",
        "output_text.delta",
        "content_part.done",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["content_index"] for event in events[4:11]] == [0, 0, 0, 1, 1, 1, 1]
    [item] = events[-1]["response"]["output"]
    assert [part["text"] for part in item["content"]] == ["Good morning to you."]


def test_calls_of_the_agent() -> None:
    """They are the server's, never functions that a client would try to run."""
    [events] = told("tools").values()
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "mcp_call", "mcp_call", "message"]
    assert [item["phase"] for item in output if item["type"] == "message"] == [
        "commentary",
        "final_answer",
    ]
    assert [item["status"] for item in output[1:3]] == ["failed", "completed"]
    assert output[1]["error"]["content"] == "No such lamp."


def test_approvals() -> None:
    """They end a response; what comes of them is in the next one, with the request's id."""
    first, second = told("approved").values()
    [asked] = first[-1]["response"]["output"]
    assert (asked["type"], asked["server_label"]) == ("mcp_approval_request", "tester")
    call = second[-1]["response"]["output"][0]
    assert (call["type"], call["approval_request_id"]) == ("mcp_call", asked["id"])
    assert json.loads(call["arguments"]) == {"cents": 4}
    assert second[-1]["response"]["previous_response_id"] == first[-1]["response"]["id"]
    refused = list(told("rejected").values())[1][-1]["response"]["output"][0]
    assert (refused["status"], refused["error"]["content"]) == ("failed", "rejected: too much")


def test_what_called_runs_ask() -> None:
    """It is asked by the server that the client knows, and ends a response as own approvals do."""
    responses = [events[-1]["response"] for events in told("called_together").values()]
    asked = [
        [item["name"] for item in each["output"] if item["type"] == "mcp_approval_request"]
        for each in responses
    ]
    assert asked == [
        ["pay", "scout.pay", "deputy.pay"],
        ["scout.pay", "deputy.pay"],
        ["scout.send", "deputy.pay"],
        ["deputy.pay"],
        [],
    ]
    requests = [i for i in responses[0]["output"] if i["type"] == "mcp_approval_request"]
    assert {item["server_label"] for item in requests} == {"tester"}
    assert json.loads(requests[1]["arguments"]) == {"to": "ann"}
    assert read_asked("t", requests[1]["id"], "mcpr")


def test_a_response_that_nothing_has_happened_in() -> None:
    """It goes on when the one before is over: a run below works, and its caller says nothing."""
    happened = SCENARIOS["called"]()
    waits = next(n for n, event in enumerate(happened) if isinstance(event, RunWaiting))
    assert read_again(happened[: waits + 1], facts())["status"] == "completed"
    response = read_again(happened[: waits + 1], facts(2))
    assert (response["status"], response["output"], response["usage"]) == ("in_progress", [], None)
    assert response["previous_response_id"] == f"resp_{RUN_ID}_1"


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("called")])
def test_called_runs_that_nobody_keeps(name: str) -> None:
    """All else stays: which events there are, their numbers, and where a response ends."""
    happened = SCENARIOS[name]()
    for segment, events in told(name).items():
        parts: list[bytes] = []
        encoder = ResponseEncoder(facts(int(segment)))
        for item in items_of(happened, kept={}):
            parts += encoder.take(item)
        later = read_frames(parts)
        for each, was in zip(later, events, strict=True):
            assert (each["type"], each["sequence_number"]) == (was["type"], was["sequence_number"])
            assert each.get("item", {}).get("id") == was.get("item", {}).get("id")
        asked = [i for i in encoder.response()["output"] if i["type"] == "mcp_approval_request"]
        assert {item["name"] for item in asked} <= {"pay", "scout", "deputy"}


def test_functions() -> None:
    """A client is told of all that it has to run, again of what it has left open."""
    first, second, third = told("clients_tools").values()
    calls = [i for i in first[-1]["response"]["output"] if i["type"] == "function_call"]
    assert [json.loads(call["arguments"])["of"] for call in calls] == ["ann", "bob"]
    [left] = second[-1]["response"]["output"]
    assert left == calls[0]
    assert third[-1]["response"]["output"][0]["type"] == "message"


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("cancelled", "failed", "cancelled"),
        ("failed", "failed", "failed"),
        ("killed", "failed", "failed"),
        ("too_long", "incomplete", "incomplete"),
        ("waits_for_others", "completed", "completed"),
    ],
)
def test_ends(name: str, kind: str, status: str) -> None:
    """Each end has its word."""
    [events] = told(name).values()
    assert (kinds(events)[-1], events[-1]["response"]["status"]) == (kind, status)


def test_a_run_that_waits_in_line() -> None:
    """It is queued until it begins."""
    story = Story().started(queued=True)
    assert kinds(streamed(list(story.events[:1]), ResponseEncoder(facts()))) == [
        "created",
        "queued",
    ]
    events = streamed(list(story.events), ResponseEncoder(facts()))
    assert kinds(events) == ["created", "queued", "in_progress"]
    assert [event["response"]["status"] for event in events] == ["queued", "queued", "in_progress"]


def test_what_only_a_newer_process_knows() -> None:
    """It changes nothing."""
    story = Story().started()
    newer = UnknownEvent(run_id=RUN_ID, seq=2, type="run.of_tomorrow")
    assert kinds(streamed([*story.events, newer], ResponseEncoder(facts()))) == [
        "created",
        "in_progress",
    ]


def test_a_text_that_numbers_do_not_reach() -> None:
    """The rest of a very long text comes with its commit, whole."""
    text = "x" * (MAX_CHARS + 500)
    story = Story().started().turn(1, text).ends()
    live = said(1, *[text[start : start + 1000] for start in range(0, len(text), 1000)])
    happened: Happened = [*story.events[:2], *live, *story.events[2:]]
    events = streamed(happened, ResponseEncoder(facts()))
    deltas = [e for e in events if e["type"] == "response.output_text.delta"]
    assert "".join(delta["delta"] for delta in deltas) == text
    assert deltas[-1]["sequence_number"] == Numbers.settled(1, 0)
    assert all(a["sequence_number"] < b["sequence_number"] for a, b in pairwise(events))


class Client:
    """A client that comes back by number, and folds what it gets."""

    def __init__(self, telling: Telling, segment: int = 1) -> None:
        self._telling = telling
        self._segment = segment
        self._texts: dict[int, str] = {}
        self._items: dict[int, str] = {}
        self.resumed: list[tuple[int, int, str]] = []
        self.retracted: set[int] = set()
        self.number = -1
        self.response: dict[str, Any] | None = None

    def read(self, joined: int, left: int) -> None:
        """Follow over one connection."""
        mark = Numbers.read(self.number)
        if mark:
            self.resumed.append((mark.turn, mark.chars, self._texts.get(mark.turn, "")))
        encoder = ResponseEncoder(facts(self._segment), self.number)
        for item in items_of_shown(self._telling.shown_to(joined, left), mark):
            self._take(item, encoder)

    def _take(self, item: Item, encoder: ResponseEncoder) -> None:
        for event in read_frames(encoder.take(item)):
            assert event["sequence_number"] > self.number
            self.number = event["sequence_number"]
            turn = int(event.get("item_id", "_0").rpartition("_")[2])
            match event["type"].removeprefix("response."):
                case "content_part.added":
                    self.retracted |= {turn} if turn in self._texts else set()
                    self._texts[turn] = ""
                case "output_text.delta":
                    self._texts[turn] += event["delta"]
                case "output_text.done":
                    self._check(turn, event["text"])
                    self._items[turn] = event["text"]
                case "completed" | "failed":
                    self.response = event["response"]
                case _:
                    pass

    def _check(self, turn: int, text: str) -> None:
        """Compare the pieces with the whole."""
        if self._texts.get(turn, "") == text:
            return
        # Only where a text was taken for another one, or numbers lie within a retraction.
        tries = [text, *(attempt.text for attempt in self._telling.attempts[turn])]
        assert any(
            (
                number == turn
                and any(
                    len(other) >= chars and check_of(other[:chars]) == check
                    for other in tries
                    for check in range(16)
                    if Numbers.live(turn, chars, check) and other[:chars] != shown[:chars]
                )
            )
            or (number == turn and len(shown) != chars)
            for number, chars, shown in self.resumed
        ), (self._texts.get(turn), text)


def read_over_waits(telling: Telling, places: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Follow each response of a run to its end, over connections that break."""
    waits = [event.segment for event in telling.happened if isinstance(event, RunWaiting)]
    responses: list[dict[str, Any]] = []
    for segment in [1, *(each + 1 for each in waits)]:
        client = Client(telling, segment)
        for joined, left in telling.cut(places):
            client.read(joined, left)
        assert client.response
        responses.append(client.response)
    return responses


@settings(max_examples=150)
@given(tellings(), connections)
def test_cut_anywhere(telling: Telling, places: list[tuple[int, int]]) -> None:
    """Numbers rise; pieces, items and the end are what the run says, however often it breaks."""
    client = Client(telling)
    for joined, left in telling.cut(places):
        client.read(joined, left)
    committed = [e for e in telling.happened if isinstance(e, MessageCompleted)]
    texts = [text for e in committed if (text := str(e.message.content))]
    assert client.response
    told = [part["text"] for item in client.response["output"] for part in item["content"]]
    assert told == texts
    assert list(client._items.values()) == texts


@settings(max_examples=100)
@given(tellings(asks=True), connections)
def test_cut_anywhere_while_called_runs_ask(
    telling: Telling, places: list[tuple[int, int]]
) -> None:
    """Each response ends with what is asked, and all of them together are what the run says."""
    responses = read_over_waits(telling, places)
    items = [item for each in responses for item in each["output"]]
    texts = [p["text"] for i in items if i["type"] == "message" for p in i["content"]]
    committed = [e for e in telling.happened if isinstance(e, MessageCompleted)]
    assert texts == [text for e in committed if (text := str(e.message.content))]
    for each in responses[:-1]:
        assert [item["name"] for item in each["output"][-2:]] == ["scout.pay", "deputy.pay"]
