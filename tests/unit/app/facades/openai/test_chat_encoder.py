"""Runs as chat completions: recorded, streamed and whole."""

import json
import os
from typing import Any

import pytest

from fakes.frames import read_frames
from fakes.repository import ROOT
from fakes.scenarios import PAYS, SCENARIOS, Happened, items_of, said, segments_of
from fakes.telling import Story
from fakes.watching import RUN_ID
from outlast_app.facades.openai.chat_encoder import ChatEncoder, ChatName

RECORDED = ROOT / "tests/fixtures/openai-chat.json"


def encoder(segment: int = 1, *, whole: bool = False) -> ChatEncoder:
    name = ChatName(RUN_ID, segment, "tester", 1767225600)
    return ChatEncoder(name, wants_usage=True, whole=whole)


def streamed(happened: Happened, encoder: ChatEncoder) -> list[Any]:
    parts = [encoder.begin()]
    for item in items_of(happened):
        if encoder.is_over:
            break
        parts += encoder.take(item)
    parts += encoder.end()
    return read_frames(parts)


def content_of(chunks: list[Any]) -> str:
    choices = [choice for chunk in chunks[:-1] for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def told(name: str) -> dict[str, Any]:
    """Tell a scenario: each segment, in pieces and whole."""
    happened = SCENARIOS[name]()
    answers: dict[str, Any] = {}
    for segment in segments_of(happened):
        of = encoder(segment, whole=name == "answer_rejected")
        chunks = streamed(happened, of)
        if of.log.segments and segment in of.log.segments:
            answers[str(segment)] = {
                "chunks": chunks,
                "completion": None if of.failure else of.completion(),
            }
    return answers


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(name: str) -> None:
    """They are told as was recorded. After a change that is meant: RECORD_PROTOCOLS=1."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    answers = told(name)
    if os.environ.get("RECORD_PROTOCOLS"):
        text = json.dumps({**recorded, name: answers}, indent=1, ensure_ascii=False, sort_keys=True)
        RECORDED.write_text(text + "\n")
        return
    assert answers == recorded[name], test_scenarios.__doc__


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_pieces_and_whole(name: str) -> None:
    """One id, the role first, one finish reason, usage, `[DONE]`; and the same content."""
    for answer in told(name).values():
        chunks, completion = answer["chunks"], answer["completion"]
        if completion is None:
            assert "error" in chunks[-1]
            assert "[DONE]" not in chunks
            continue
        assert chunks[-1] == "[DONE]"
        assert {chunk["id"] for chunk in chunks[:-1]} == {completion["id"]}
        assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        reasons = [c["finish_reason"] for chunk in chunks[:-1] for c in chunk["choices"]]
        [choice] = completion["choices"]
        assert [reason for reason in reasons if reason] == [choice["finish_reason"]]
        assert content_of(chunks) == (choice["message"]["content"] or "")
        assert chunks[-2]["usage"] == completion["usage"]
        calls = [
            c for chunk in chunks[:-2] for c in chunk["choices"][0]["delta"].get("tool_calls", [])
        ]
        assert [call["id"] for call in calls] == [
            call["id"] for call in choice["message"].get("tool_calls", [])
        ]


def test_an_answer_that_is_taken_back() -> None:
    """A stream that has said what no longer counts ends loudly, with the way to the whole."""
    chunks = streamed(SCENARIOS["retold"](), encoder())
    assert content_of([*chunks[:-1], None]) == "Hello you"
    error = chunks[-1]["error"]
    assert (error["code"], error["run_id"]) == ("answer_restarted", RUN_ID)
    assert "Idempotency-Key" in error["message"]


def test_an_answer_that_is_repeated() -> None:
    """Nobody notices a model call that says the same again."""
    assert content_of(streamed(SCENARIOS["repeated"](), encoder())) == "Hello you."


def test_a_wait_that_no_client_ends() -> None:
    """Who gives up waiting for somebody's decision is told on what."""
    story = Story().started().turn(1, "", "pay").asked("1.0", "pay").waits()
    of = encoder()
    chunks = streamed(list(story.events), of)
    assert of.failure
    assert (of.failure.fault.status, chunks[-1]["error"]["code"]) == (428, "approval_required")
    assert "1.0" in chunks[-1]["error"]["message"]
    assert RUN_ID in chunks[-1]["error"]["message"]


def test_a_wait_for_what_a_called_run_asks() -> None:
    """It is the same, with the run that asks: no client of Chat can decide."""
    of = encoder()
    chunks = streamed(SCENARIOS["called"]()[:-4], of)
    assert of.failure
    assert chunks[-1]["error"]["code"] == "approval_required"
    assert f"{PAYS.id} of the run {PAYS.run_id}" in chunks[-1]["error"]["message"]


def test_an_answer_that_takes_longer() -> None:
    """Who gives up on a run that goes on is told where it is; libraries don't repeat that."""
    of = encoder()
    chunks = streamed([*Story().started().events, *said(1, "Hi")], of)
    assert of.failure
    assert (of.failure.fault.status, chunks[-1]["error"]["code"]) == (428, "run_in_progress")
