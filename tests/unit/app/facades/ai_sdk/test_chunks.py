"""Runs as the AI SDK's messages: in one stream, and over several."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from fakes.frames import read_frames
from fakes.repository import ROOT
from fakes.scenarios import (
    BELOW,
    DOUBTS,
    DROPPED,
    KEPT,
    PAYS,
    REFUSED,
    SCENARIOS,
    SCOUT,
    Happened,
    items_of,
    segments_of,
)
from fakes.telling import Story
from fakes.ui_message import UiMessage
from fakes.watching import RUN_ID
from outlast.events import RunWaiting
from outlast.protocol import Approval, Awaited
from outlast_app.facades.ai_sdk.calls import UNDER_WAY
from outlast_app.facades.ai_sdk.chunks import RETRACTED, UiEncoder
from outlast_app.facades.ids import key_of, name_of_asked
from outlast_app.facades.segments import RunLog

RECORDED = ROOT / "tests/fixtures/ai-sdk.json"


def told(
    happened: Happened,
    first: int = 1,
    last: int | None = None,
    kept: Mapping[str, Approval] = KEPT,
    *,
    decided: bool = False,
    **more: Any,
) -> list[Any]:
    """Tell a run, from one segment to the end of another."""
    encoder = UiEncoder(RUN_ID, first, last, **more)
    parts = [encoder.begin()]
    for item in items_of(happened, kept=kept, decided=decided):
        if encoder.is_over:
            break
        parts += encoder.take(item)
    parts += encoder.end()
    return read_frames(parts)


def segments(happened: Happened) -> list[int]:
    """Return those that a client of this protocol sees."""
    found = [1]
    for segment in segments_of(happened):
        if len(told(happened, segment)) > 1 and segment not in found:
            found.append(segment)
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(name: str) -> None:
    """They are told as was recorded. After a change that is meant: RECORD_PROTOCOLS=1."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    happened = SCENARIOS[name]()
    answers = {str(segment): told(happened, segment) for segment in segments(happened)}
    if os.environ.get("RECORD_PROTOCOLS"):
        text = json.dumps({**recorded, name: answers}, indent=1, ensure_ascii=False, sort_keys=True)
        RECORDED.write_text(text + "\n")
        return
    assert answers == recorded[name], test_scenarios.__doc__


@pytest.mark.parametrize("name", SCENARIOS)
def test_whole_and_in_segments(name: str) -> None:
    """A page that was there all the time shows what one shows that has just been loaded."""
    happened = SCENARIOS[name]()
    seen = segments(happened)
    stayed = UiMessage()
    for segment in seen:
        stayed.take(told(happened, segment))
    loaded = UiMessage().take(told(happened, 1, seen[-1]))
    assert loaded.finished == stayed.finished
    assert loaded.texts() == stayed.texts()
    for part in loaded.parts:
        if call_id := part.get("toolCallId"):
            assert stayed.tool(call_id)["state"] == part["state"]
            assert stayed.tool(call_id)["input"] == part["input"]
            assert stayed.tool(call_id).get("output") == part.get("output")


@pytest.mark.parametrize("name", SCENARIOS)
def test_cut_anywhere(name: str) -> None:
    """However much of a run has happened, it is told from its beginning to there."""
    happened = SCENARIOS[name]()
    for end in range(len(happened)):
        shown = UiMessage().take(told(happened[:end]))
        assert shown.message_id == f"msg_{RUN_ID}"


def test_text_that_is_taken_back() -> None:
    """It is marked as void, and the new text is a part of its own."""
    chunks = told(SCENARIOS["retold"]())
    message = UiMessage().take(chunks)
    assert message.texts() == ["Good morning to you."]
    assert [p["text"] for p in message.parts if p.get("void")] == ["Hello you"]
    [end] = [c for c in chunks if c != "[DONE]" and c.get("providerMetadata")]
    assert end["providerMetadata"] == RETRACTED


def test_an_approval() -> None:
    """It is asked for once; then the call runs as a person wants it, in the same message."""
    happened = SCENARIOS["approved"]()
    message = UiMessage().take(told(happened))
    call_id = f"call_{RUN_ID}_1_0"
    assert (message.finished, message.tool(call_id)["state"]) == (
        "tool-calls",
        "approval-requested",
    )
    message.take(told(happened, 2))
    assert message.finished == "stop"
    part = message.tool(call_id)
    assert (part["state"], part["input"], part["output"]) == (
        "output-available",
        {"cents": 4},
        "paid 4",
    )
    assert part["providerExecuted"]


def elsewhere(story: Story) -> list[tuple[str, str, bool]]:
    """Return what is shown as to be decided elsewhere: why, where, and whether it is still."""
    chunks = told(list(story.events))
    shown = [c["data"] for c in chunks if c != "[DONE]" and c["type"] == "data-outlast-approval"]
    return [(data["reason"], data["decide_at"], data["is_open"]) for data in shown]


def test_what_takes_more_than_yes_or_no() -> None:
    """A call in doubt is shown with the address to decide at, until it is; the stream goes on."""
    story = Story().started().turn(1, "", "pay")
    story.asked("1.0", "pay", reason="in_doubt").waits()
    asked = ("in_doubt", f"/runs/{RUN_ID}/approvals/1.0")
    assert elsewhere(story) == [(*asked, True)]
    assert "[DONE]" not in told(list(story.events))
    story.decided("1.0", "retry")
    assert elsewhere(story) == [(*asked, True), (*asked, False)]


def test_what_a_called_run_asks() -> None:
    """It is asked like an own approval, by agent and tool, and ends when it is over."""
    happened = SCENARIOS["called"]()
    message = UiMessage().take(told(happened))
    asked, calling = message.tool(asked_of(PAYS)), message.tool(f"call_{RUN_ID}_1_0")
    assert (asked["toolName"], asked["input"], asked["state"]) == (
        "scout.pay",
        {"to": "ann"},
        "approval-requested",
    )
    assert (calling["state"], calling["output"]) == ("output-available", UNDER_WAY)
    message.take(told(happened, 2))
    assert asked["output"] == "Approved: the agent scout has gone on with it."
    assert (asked["state"], calling["output"]) == ("output-available", "Paid.")


@pytest.mark.parametrize(
    ("name", "asked", "state"),
    [("called_refused", REFUSED, "output-denied"), ("called_in_vain", DROPPED, "output-error")],
)
def test_how_it_ends(name: str, asked: Awaited, state: str) -> None:
    """It was refused, or nobody asks any more: no part stays open."""
    happened = SCENARIOS[name]()
    message = UiMessage().take(told(happened)).take(told(happened, 2))
    assert message.tool(asked_of(asked))["state"] == state


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("called")])
def test_decisions_are_sent_once(name: str) -> None:
    """When all is decided the SDK sends that by itself; never before, and never again."""
    happened, message = SCENARIOS[name](), UiMessage()
    log, first, answered = RunLog(takes_approvals=True), 1, frozenset[str]()
    for event in happened:
        assert not isinstance(event, tuple)
        log.take(event)
        if not (log.ended or log.asked - answered) or not log.is_over:
            continue
        message.take(told(happened, first, answered=answered))
        assert not message.is_sent_by_itself()
        for part in message.parts:
            if part.get("state") == "approval-requested":
                assert not message.is_sent_by_itself()
                part["state"] = "approval-responded"
        assert message.is_sent_by_itself() == bool(log.asked)
        first, answered = log.segment + 1, frozenset(log.asked)
    assert message.finished in {"stop", "abort"}


def test_a_wait_for_what_was_just_answered() -> None:
    """It is no end for who has answered: the run goes on in a moment, and is told on."""
    happened = SCENARIOS["called_together"]()
    waits = [event for event in happened if isinstance(event, RunWaiting)]
    answered = frozenset({key_of(BELOW.id, BELOW.run_id)})
    last = told(happened, waits[-1].segment, answered=answered)
    assert last[-1] == "[DONE]"
    assert [chunk["finishReason"] for chunk in last[:-1] if chunk["type"] == "finish"] == ["stop"]


@pytest.mark.parametrize("name", ["called", "called_refused", "called_together"])
def test_decided_before_it_is_told(name: str) -> None:
    """It is shown as decided; a wait of which nothing is left to ask is no end."""
    happened = SCENARIOS[name]()
    chunks = told(happened, decided=True)
    message = UiMessage().take(chunks)
    if name == "called_together":
        # An own approval was asked for, too.
        assert message.finished == "tool-calls"
        assert [p["toolName"] for p in message.parts if p.get("approval")] == ["pay"]
        message.take(told(happened, 2, decided=True))
    assert message.finished == "stop"
    states = {part["state"] for part in message.parts if part["type"] == "tool"}
    assert states <= {"output-available", "output-denied"}
    # Who has decided hears of it after that, and once.
    answered = told(SCENARIOS["called"](), 2, decided=True)
    name = asked_of(PAYS)
    assert [c["type"] for c in answered[:-1] if c.get("toolCallId") == name] == [
        "tool-output-available"
    ]


def test_a_message_of_its_own() -> None:
    """What is still asked there is asked in it, and nothing is ended that it does not show."""
    happened = SCENARIOS["called_together"]()
    message = UiMessage()
    for segment in segments(happened)[1:]:
        message.take(told(happened, segment, begins=2))
        assert message.message_id == f"msg_{RUN_ID}_2"
    assert message.tool(asked_of(PAYS))["state"] == "output-available"
    alone = UiMessage().take(told(SCENARIOS["called"](), 2, begins=2))
    assert asked_of(PAYS) not in [part.get("toolCallId") for part in alone.parts]


def test_a_called_run_that_nobody_keeps() -> None:
    """Its approval is there all the same, by its agent's name."""
    happened = SCENARIOS["called"]()
    message = UiMessage().take(told(happened, kept={}))
    asked = message.tool(asked_of(PAYS))
    assert (asked["toolName"], asked["input"]) == ("scout", {})
    assert message.take(told(happened, 2, kept={})).finished == "stop"
    assert asked["state"] == "output-available"


def test_a_doubt_of_a_called_run() -> None:
    """It is shown with what it is about, and where to decide, while it is waited for."""
    happened = SCENARIOS["called_together"]()
    chunks = [c for c in told(happened, 1, 5) if c != "[DONE]"]
    first, last = (c for c in chunks if c["type"] == "data-outlast-approval")
    assert first["id"] == last["id"]
    about = {
        "reason": "child",
        "name": "scout.ship",
        "question": "Has it been shipped?",
        "decide_at": f"/runs/{SCOUT}/approvals/{DOUBTS.id}",
    }
    assert (first["data"], last["data"]) == (
        {**about, "is_open": True},
        {**about, "is_open": False},
    )


def asked_of(asked: Awaited) -> str:
    return name_of_asked("call", RUN_ID, key_of(asked.id, asked.run_id))


def test_a_clients_object() -> None:
    """What a client sent as an object is one again when the page is loaded."""
    story = Story().started().turn(1, "", "locate", of="ann").requested("1.0", "locate", of="ann")
    story.waits().done("1.0", "locate", '{"lat": 52.5}').turn(2, "Berlin.").ends(output="Berlin.")
    message = UiMessage().take(told(list(story.events), 1, 2))
    part = message.tool(f"call_{RUN_ID}_1_0")
    assert part["output"] == {"lat": 52.5}
    assert "providerExecuted" not in part
