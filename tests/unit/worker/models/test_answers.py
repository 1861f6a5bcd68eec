"""What becomes of a provider's answer: text, calls and usage, streamed or not."""

import json
from typing import Any

import pytest

from fakes import call, calls, fault, raw, raw_call, text
from outlast_local.demo_model.openai_wire import DONE, Usage
from outlast_worker.engine.records import ModelRecord, RequestedCall
from unit.worker.models.asking import Asker

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@both_ways
async def test_text(ask: Asker, stream: bool) -> None:
    """A text comes back whole, with the model that answered and the time that it took."""
    got = await ask.answer(text("one two  three ä"), stream=stream)
    assert (got.text, got.calls, got.finish_reason, got.model) == (
        "one two  three ä",
        [],
        "stop",
        "x",
    )
    assert got.started_at <= got.ended_at
    assert got.opaque is None
    assert ask.server.requests(ask.key)[0].streamed  # watched or not: silence is noticed
    assert (ask.shown != "") is stream


@both_ways
async def test_tool_calls(ask: Asker, stream: bool) -> None:
    """Tool calls come back in their order, with the arguments as the model wrote them."""
    step = calls(call("refund", cents=5), call("refund", cents=6), text="Wait.")
    got = await ask.answer(step, stream=stream)
    assert (got.text, got.finish_reason) == ("Wait.", "tool_calls")
    assert got.calls == [
        RequestedCall(name="refund", arguments='{"cents": 5}'),
        RequestedCall(name="refund", arguments='{"cents": 6}'),
    ]


@both_ways
async def test_no_arguments(ask: Asker, stream: bool) -> None:
    """A call without any arguments is a call."""
    got = await ask.answer(raw_call("refund", ""), stream=stream)
    assert [requested.arguments or "{}" for requested in got.calls] == ["{}"]


@both_ways
async def test_broken_arguments(ask: Asker, stream: bool) -> None:
    """Broken arguments of a finished answer are the model's own, and go to the caller."""
    step = raw_call("refund", '{"cents": ', finish_reason="tool_calls")
    assert (await ask.answer(step, stream=stream)).calls[0].arguments == '{"cents": '


@pytest.mark.parametrize("arguments", ['{"cents": ', "[" * 5_000], ids=["cut", "without end"])
async def test_broken_arguments_of_an_answer_that_just_stopped(ask: Asker, arguments: str) -> None:
    """Arguments that break off where the model "stopped" are a cut stream."""
    outcome = await ask.fault(raw_call("refund", arguments, finish_reason="stop"), stream=True)
    assert (outcome.error.type, outcome.error.retryable) == ("model-malformed", True)


async def test_calls_of_an_answer_that_just_stopped(ask: Asker) -> None:
    """Some servers say "stop" after tool calls: those with whole arguments count."""
    got = await ask.answer(raw_call("refund", '{"cents": 5}', finish_reason="stop"), stream=True)
    assert [requested.name for requested in got.calls] == ["refund"]


@both_ways
@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
async def test_calls_of_an_answer_that_was_cut(
    ask: Asker, finish_reason: str, stream: bool
) -> None:
    """An answer cut short has no calls: the last one may lack a part."""
    step = raw_call("refund", '{"cents": 5}', finish_reason=finish_reason)
    got = await ask.answer(step, stream=stream)
    assert (got.calls, got.finish_reason, got.opaque) == ([], finish_reason, None)


@both_ways
@pytest.mark.parametrize("ids", [("", ""), ("same", "same")], ids=["empty", "repeated"])
async def test_odd_call_ids(ask: Asker, ids: tuple[str, str], stream: bool) -> None:
    """Calls are told apart by their place, whatever ids a provider gives them."""
    each = [raw_call("refund", f'{{"cents": {n}}}', call_id=made) for n, made in enumerate(ids)]
    got = await ask.answer(calls(*each), stream=stream)
    assert [requested.arguments for requested in got.calls] == ['{"cents": 0}', '{"cents": 1}']


@pytest.mark.parametrize("with_null", [False, True])
async def test_streamed_calls_without_ids(ask: Asker, with_null: bool) -> None:
    """A server that gives no ids at all is understood."""
    deltas: list[dict[str, Any]] = [
        {"delta": {"tool_calls": [_bare(0, with_null)]}},
        {"delta": {"tool_calls": [_bare(1, with_null)]}},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    got = await ask.answer(raw(b"".join(map(chunk, deltas)) + DONE), stream=True)
    assert [requested.arguments for requested in got.calls] == ['{"cents":0}', '{"cents":1}']
    assert got.opaque is not None
    assert got.opaque.call_ids == [None, None]


def chunk(choice: dict[str, Any], model: str = "x") -> bytes:
    envelope = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model}
    body = json.dumps({**envelope, "choices": [{"index": 0, **choice}]})
    return f"data: {body}\n\n".encode()


def _bare(index: int, with_null: bool) -> dict[str, Any]:
    function = {"name": "refund", "arguments": f'{{"cents":{index}}}'}
    null: dict[str, Any] = {"id": None} if with_null else {}
    return {"index": index, "type": "function", "function": function, **null}


@both_ways
async def test_half_a_character_in_an_error(ask: Asker, stream: bool) -> None:
    """A record of it can be written: else the call would be repeated for ever."""
    quoted = {"error": {"message": "cut \ud83d here", "type": "x", "code": "y"}}
    failed = await ask.fault(fault(400, quoted), stream=stream)
    assert "here" in failed.error.message
    assert failed.model_dump_json()


async def test_half_a_character_in_a_models_name(ask: Asker) -> None:
    """The same for what a provider calls its model."""
    whole = raw(
        chunk({"delta": {"content": "Hi."}, "finish_reason": "stop"}, model="m\ud83d") + DONE
    )
    assert (await ask.answer(whole)).model_dump_json()


async def test_calls_without_names(ask: Asker) -> None:
    """An answer that asks for tools and names none is malformed: it must not end a run."""
    outcome = await ask.fault(raw_call("", "{}"), stream=True)
    assert (outcome.error.type, outcome.error.retryable) == ("model-malformed", True)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [(["smile: \ud83d", "\ude00"], "smile: 😀"), (["half: \ud83d", "!"], "half: \ufffd!")],
    ids=["split", "lost"],
)
async def test_half_characters(ask: Asker, pieces: list[str], whole: str) -> None:
    """A character that a stream splits is put together; a lone half is replaced."""
    deltas: list[dict[str, Any]] = [
        {"delta": {"content": piece, "reasoning_content": piece}} for piece in pieces
    ]
    chunks = [chunk(delta) for delta in [*deltas, {"delta": {}, "finish_reason": "stop"}]]
    got = await ask.answer(raw(b"".join(chunks) + DONE), stream=True)
    assert got.text == whole
    assert got.opaque is not None
    assert got.opaque.fields["reasoning_content"] == whole
    assert ModelRecord.model_validate_json(got.model_dump_json()) == got


@both_ways
async def test_usage(ask: Asker, stream: bool) -> None:
    """Tokens are the provider's count, cached and reasoning ones among them, and have a price."""
    usage = Usage(1000, 500, cached_tokens=800, reasoning_tokens=200)
    got = await ask.answer(text("Hi.", usage=usage), model="openai/gpt-5-mini", stream=stream)
    assert got.usage.model_dump(exclude={"cost_usd"}) == {
        "input_tokens": 1000,
        "output_tokens": 500,
        "cached_tokens": 800,
        "reasoning_tokens": 200,
        "model_calls": 1,
        "tool_calls": 0,
    }
    # $0.25, $0.025 (cached) and $2 per million tokens.
    assert got.usage.cost_usd == pytest.approx(200 * 0.25e-6 + 800 * 0.025e-6 + 500 * 2e-6)


async def test_no_usage(ask: Asker) -> None:
    """A server that counts no tokens is understood."""
    got = await ask.answer(
        raw(chunk({"delta": {"content": "Hi."}, "finish_reason": "stop"}) + DONE)
    )
    assert (got.text, got.usage.input_tokens, got.usage.model_calls) == ("Hi.", 0, 1)


async def test_a_refusal(ask: Asker) -> None:
    """A refusal is shown as text, or counts as filtered: no run completes with nothing said."""
    refusal = chunk({"delta": {"role": "assistant", "refusal": "I can't help with that."}})
    end = chunk({"delta": {}, "finish_reason": "stop"})
    got = await ask.answer(raw(refusal + end + DONE), stream=True)
    if ask.client == "litellm":
        assert got.finish_reason == "content_filter"
    else:
        assert got.text == "I can't help with that."
