"""Runs as the AI SDK's messages: in one stream, and over several."""

import json
import os
from typing import Any

import pytest

from fakes.frames import read_frames
from fakes.repository import ROOT
from fakes.scenarios import SCENARIOS, Happened, items_of, segments_of
from fakes.telling import Story
from fakes.ui_message import UiMessage
from fakes.watching import RUN_ID
from outlast.events import RunWaiting
from outlast.protocol import Awaited
from outlast_app.facades.ai_sdk.chunks import RETRACTED, UiEncoder

RECORDED = ROOT / "tests/fixtures/ai-sdk.json"


def told(happened: Happened, first: int = 1, last: int | None = None) -> list[Any]:
    """Tell a run, from one segment to the end of another."""
    encoder = UiEncoder(RUN_ID, first, last)
    parts = [encoder.begin()]
    for item in items_of(happened):
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
    """It is shown by the run that called it, with its own address, until it is decided."""
    child = f"scout.{'c' * 26}"
    story = Story().started().turn(1, "", "scout")
    story.add(
        RunWaiting,
        segment=1,
        waiting_for="child",
        approvals=[Awaited(run_id=child, id="2.0")],
    )
    asked = ("child", f"/runs/{child}/approvals/2.0")
    assert elsewhere(story) == [(*asked, True)]
    assert "[DONE]" not in told(list(story.events))
    story.done("1.0", "scout", "Done.").turn(2, "Done.").ends(output="Done.")
    assert elsewhere(story) == [(*asked, True), (*asked, False)]
    chunks = told(list(story.events))
    shown = [c for c in chunks if c != "[DONE]" and c["type"] == "data-outlast-approval"]
    assert len({each["id"] for each in shown}) == 1
    assert chunks[-1] == "[DONE]"


def test_a_clients_object() -> None:
    """What a client sent as an object is one again when the page is loaded."""
    story = Story().started().turn(1, "", "locate", of="ann").requested("1.0", "locate", of="ann")
    story.waits().done("1.0", "locate", '{"lat": 52.5}').turn(2, "Berlin.").ends(output="Berlin.")
    message = UiMessage().take(told(list(story.events), 1, 2))
    part = message.tool(f"call_{RUN_ID}_1_0")
    assert part["output"] == {"lat": 52.5}
    assert "providerExecuted" not in part
