"""Runs as AG-UI's events: in one stream, and over several; what a client's list is then."""

import json
import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.ag_ui_client import AgUiClient, check_event
from fakes.frames import read_frames
from fakes.repository import ROOT
from fakes.scenarios import (
    BELOW,
    PAYS,
    SCENARIOS,
    SCOUT,
    Happened,
    items_of,
    said,
    segments_of,
)
from fakes.telling import Story
from fakes.watching import REF, RUN_ID
from outlast.live import Delta, Reset, Snapshot
from outlast_app.facades.ag_ui.events import AgUiEncoder, AgUiRun
from outlast_app.facades.ag_ui.shown import ClientMessages
from outlast_app.facades.ids import key_of, name_of_asked

RECORDED = ROOT / "tests/fixtures/ag-ui.json"
USER = {"id": "u1", "role": "user", "content": "Hi"}
CALL = f"call_{RUN_ID}_1_0"


def told(
    happened: Happened,
    first: int = 1,
    last: int | None = None,
    sent: Sequence[dict[str, Any]] = (USER,),
    decided: bool = False,
    **about: Any,
) -> list[Any]:
    """Tell a run, from one segment to the end of another."""
    results = (each for each in sent if each["role"] == "tool")
    answered = {each["toolCallId"] for each in results if not each["id"].startswith("tool_")}
    has = ClientMessages(REF, lambda: sent, answered)
    run = AgUiRun("t1", "r1", **about)
    encoder = AgUiEncoder(RUN_ID, run, has, first, first if last is None else last)
    parts = [encoder.begin()]
    for item in items_of(happened, decided=decided):
        if encoder.is_over:
            break
        parts += encoder.take(item)
    parts += encoder.end()
    return read_frames(parts)


def segments(happened: Happened) -> list[int]:
    """Return those that a client of this protocol sees."""
    found = [1]
    for segment in segments_of(happened):
        if len(told(happened, segment)) > 3 and segment not in found:
            found.append(segment)
    return found


def whole(happened: Happened) -> AgUiClient:
    """Return a client that was there all the time."""
    client = AgUiClient([USER])
    for segment in segments(happened):
        client.take(told(happened, segment, sent=client.messages))
    return client


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(name: str) -> None:
    """They are told as was recorded. After a change that is meant: RECORD_PROTOCOLS=1."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    happened = SCENARIOS[name]()
    runs = {str(segment): told(happened, segment) for segment in segments(happened)}
    if os.environ.get("RECORD_PROTOCOLS"):
        text = json.dumps({**recorded, name: runs}, indent=1, ensure_ascii=False, sort_keys=True)
        RECORDED.write_text(text + "\n")
        return
    assert runs == recorded[name], test_scenarios.__doc__


@pytest.mark.parametrize("name", SCENARIOS)
def test_events_are_the_protocols(name: str) -> None:
    """Each fits the protocol's own model, and what begins also ends."""
    happened = SCENARIOS[name]()
    for segment in segments(happened):
        for event in told(happened, segment, comes_again=True):
            check_event(event)
    client = whole(happened)
    assert client.finished
    assert client.finished["type"] in {"RUN_FINISHED", "RUN_ERROR"}
    assert client.finished.get("code") != "connection-ended"


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_that_comes_again(name: str) -> None:
    """However far it had come, with whatever it has, its list is right in the end."""
    happened = SCENARIOS[name]()
    expected = whole(happened)
    seen = segments(happened)
    stayed = AgUiClient([USER])
    for segment in seen:
        events = told(happened, segment, sent=stayed.messages)
        for cut in range(1, len(events), max(1, len(events) // 12)):
            left = AgUiClient(stayed.messages).take(events[:cut])
            again = AgUiClient(left.messages)
            again.take(told(happened, segment, sent=left.messages, comes_again=True))
            for later in (each for each in seen if each > segment):
                again.take(told(happened, later, sent=again.messages))
            assert _without_reasoning(again) == _without_reasoning(expected)
        stayed.take(events)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_that_has_nothing(name: str) -> None:
    """It gets what came before as a list."""
    happened = SCENARIOS[name]()
    last = segments(happened)[-1]
    client = AgUiClient().take(told(happened, last, sent=[USER], comes_again=True))
    assert _without_reasoning(client) == _without_reasoning(whole(happened))


def _without_reasoning(client: AgUiClient) -> list[dict[str, Any]]:
    shown = [each for each in client.messages if each["role"] != "reasoning"]
    return sorted(shown, key=lambda each: each["id"])


def test_text_that_is_taken_back() -> None:
    """It is gone from the list, and the new text has the same id."""
    events = told(SCENARIOS["retold"]())
    kinds = [each["type"] for each in events]
    assert kinds.count("TEXT_MESSAGE_START") == 2
    snapshot = events[kinds.index("MESSAGES_SNAPSHOT")]
    assert snapshot["messages"] == [USER]
    assert AgUiClient([USER]).take(events).texts() == ["Good morning to you."]
    assert "MESSAGES_SNAPSHOT" not in [e["type"] for e in told(SCENARIOS["repeated"]())]


def test_reasoning_that_is_taken_back() -> None:
    """Both are void: the reasoning is written anew, and not after the old one."""
    story = Story().started().turn(1, "Good morning.").ends(output="Good morning.")
    thought = [Reset(1, 0), Delta("reasoning", 1, 0, 0, "Hm"), Delta("text", 1, 0, 1, "Hello")]
    anew = [
        Reset(1, 1),
        Delta("reasoning", 1, 1, 0, "Well"),
        *said(1, "Good morning.", attempt=1)[1:],
    ]
    happened = [*story.events[:2], *thought, *anew, *story.events[2:]]
    client = AgUiClient([USER]).take(told(happened))
    reasoning = [each["content"] for each in client.messages if each["role"] == "reasoning"]
    assert (reasoning, client.texts()) == (["Well"], ["Good morning."])


def test_an_approval() -> None:
    """It is an interrupt; decided, the same call has its result in the next run."""
    happened = SCENARIOS["approved"]()
    client = AgUiClient([USER]).take(told(happened))
    assert client.finished
    [interrupt] = client.finished["outcome"]["interrupts"]
    assert (interrupt["id"], interrupt["toolCallId"], interrupt["reason"]) == (
        CALL,
        CALL,
        "tool_call",
    )
    assert client.results() == {}
    client.take(told(happened, 2, sent=client.messages))
    assert client.results() == {CALL: "paid 4"}
    assert client.finished["outcome"] == {"type": "success"}
    assert client.finished["result"] == "Paid."


def test_what_a_called_run_asks() -> None:
    """It is an interrupt of its own, with the call, and whose it is; how it ended is its result."""
    happened = SCENARIOS["called"]()
    client = AgUiClient([USER]).take(told(happened))
    assert client.finished
    [interrupt] = client.finished["outcome"]["interrupts"]
    name = name_of_asked("call", RUN_ID, key_of(PAYS.id, PAYS.run_id))
    assert (interrupt["id"], interrupt["toolCallId"]) == (name, name)
    assert interrupt["message"] == "May the agent scout call pay?"
    assert interrupt["metadata"] == {"outlast": {"agent": "scout", "run_id": SCOUT}}
    [_, call] = client.messages[-1]["toolCalls"]
    assert call["function"] == {"name": "scout.pay", "arguments": '{"to":"ann"}'}
    client.take(told(happened, 2, sent=client.messages))
    assert client.results() == {
        name: "Approved: the agent scout has gone on with it.",
        CALL: "Paid.",
    }


def test_decided_before_it_is_told() -> None:
    """It has its result at once, and the run is told on; who has decided hears of it then."""
    happened = SCENARIOS["called"]()
    client = AgUiClient([USER]).take(told(happened, decided=True))
    assert client.finished
    assert client.finished["outcome"] == {"type": "success"}
    assert len(client.results()) == 2
    asked = AgUiClient([USER]).take(told(happened))
    asked.take(told(happened, 2, sent=asked.messages, decided=True))
    assert asked.results() == client.results()
    assert len(told(SCENARIOS["called_together"](), decided=True)[-1]["outcome"]["interrupts"]) == 1


def test_own_and_called_approvals_at_once() -> None:
    """All that waits is asked for each time; a doubt of a called run is shown with its address."""
    happened = SCENARIOS["called_together"]()
    first = AgUiClient([USER]).take(told(happened))
    assert first.finished
    asked = [each["id"] for each in first.finished["outcome"]["interrupts"]]
    keys = ["1.1", key_of(PAYS.id, PAYS.run_id), key_of(BELOW.id, BELOW.run_id)]
    assert asked == [name_of_asked("call", RUN_ID, key) for key in keys]
    [doubt] = first.custom["outlast.approval"]
    assert (doubt["name"], doubt["question"]) == ("scout.ship", "Has it been shipped?")
    answered = frozenset(keys)
    second = AgUiClient([USER]).take(told(happened, 2, answered=answered))
    assert second.finished
    # The wait for what was just answered is none; then something new is asked.
    [*_, left] = second.finished["outcome"]["interrupts"]
    assert len(second.finished["outcome"]["interrupts"]) == 2
    assert left["id"] == asked[-1]


def test_tools_of_the_page() -> None:
    """They have no result in the stream but the page's own, and are named at the end."""
    happened = SCENARIOS["clients_tools"]()
    first = AgUiClient([USER]).take(told(happened))
    assert first.finished
    assert first.finished["outcome"] == {
        "type": "success",
        "pendingToolCallIds": [CALL, f"call_{RUN_ID}_1_2"],
    }
    mine = {"id": "x", "role": "tool", "toolCallId": f"call_{RUN_ID}_1_2", "content": "Rome"}
    second = AgUiClient([*first.messages, mine])
    second.take(told(happened, 2, sent=second.messages))
    assert second.finished
    assert second.finished["outcome"]["pendingToolCallIds"] == [CALL]
    results = [each for each in second.messages if each["role"] == "tool"]
    assert [each["content"] for each in results if each["toolCallId"].endswith("_2")] == ["Rome"]


def test_a_result_from_elsewhere() -> None:
    """What another client has sent is told to one that has not."""
    happened = SCENARIOS["clients_tools"]()
    client = AgUiClient([USER]).take(told(happened))
    client.take(told(happened, 2, sent=client.messages))
    assert client.results()[f"call_{RUN_ID}_1_2"] == "Rome"


def test_ends() -> None:
    """Each end of a run has the protocol's word for it."""
    ends = {name: told(SCENARIOS[name]())[-1] for name in SCENARIOS}
    assert ends["plain"]["outcome"] == {"type": "success"}
    assert ends["cancelled"]["outcome"] == {"type": "cancelled"}
    assert (ends["failed"]["type"], ends["failed"]["code"]) == ("RUN_ERROR", "model-unavailable")
    assert ends["too_long"]["result"]["incomplete_reason"] == "output_length"
    assert ends["answer_rejected"]["result"] == {"colour": "red"}
    [used] = ends["plain"]["usage"]
    assert (used["model"], used["inputTokens"], used["totalTokens"]) == ("m", 30, 50)


def test_a_stream_that_stops() -> None:
    """It says that the run goes on: a client would take it for its end."""
    events = told(SCENARIOS["plain"]()[:3])
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "connection-ended")


def test_what_takes_more_than_yes_or_no() -> None:
    """A call in doubt is shown with the address to decide at, and the stream goes on."""
    story = Story().started().turn(1, "", "pay")
    story.asked("1.0", "pay", reason="in_doubt").waits()
    client = AgUiClient([USER]).take(told(list(story.events)))
    [asked] = client.custom["outlast.approval"]
    assert asked["decide_at"].startswith(f"/runs/{RUN_ID}/approvals/")
    assert client.finished
    assert client.finished["code"] == "connection-ended"


def test_progress_and_steps() -> None:
    """Turns are steps; what tools say of their progress is the protocol's own kind of event."""
    client = AgUiClient([USER]).take(told(SCENARIOS["tools"]()))
    assert client.steps == ["turn 1", "turn 2"]
    [progress] = client.custom["outlast.progress"]
    assert progress == {
        "toolCallId": f"call_{RUN_ID}_1_1",
        "done": 1,
        "total": 2,
        "message": "half",
    }
    assert client.custom["outlast.run"] == [{"run_id": RUN_ID}]


WORDS = st.lists(st.sampled_from(["One ", "two ", "three. ", "Or four. "]), max_size=6)


@given(
    attempts=st.lists(WORDS, max_size=3), text=WORDS, reasons=st.booleans(), cut=st.integers(1, 60)
)
def test_whatever_attempts_say(
    attempts: list[list[str]], text: list[str], cut: int, *, reasons: bool
) -> None:
    """A client that was there, and one that came again anywhere, have the text that counts."""
    answer = "".join(text)
    story = Story().started().turn(1, answer).ends(output=answer)
    live: Happened = []
    for number, words in enumerate([*attempts, text]):
        live += said(1, *words, attempt=number)[: 1 if not words else None]
        if reasons:
            live.append(Delta("reasoning", 1, number, len(words), f"Thought {number}"))
    happened: Happened = [*story.events[:2], *live, *story.events[2:]]
    events = told(happened)
    client = AgUiClient([USER]).take(events)
    expected = [answer] if answer else []
    assert client.texts() == expected
    left = AgUiClient([USER]).take(events[: min(cut, len(events))])
    snapshot = Snapshot(1, len(attempts), 0, answer, "Thought" if reasons else "")
    later: Happened = [*story.events[:2], snapshot, *story.events[2:]]
    again = AgUiClient(left.messages)
    again.take(told(later, sent=left.messages, comes_again=True))
    assert again.texts() == expected
    thoughts = [each["content"] for each in again.messages if each["role"] == "reasoning"]
    assert thoughts in ([], [""], ["Thought"])
