"""What the real model client makes of a provider's answer, and what it sends."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes import Gate, Reply, attempts, call, calls, fault, hang, raw, raw_call, text
from fakes.steps import NOON
from outlast_local.demo_model.openai_wire import DONE, Answer, Usage
from outlast_worker.engine.records import ModelFault, ModelRecord, RequestedCall, StoredMessage
from outlast_worker.settings import Provider
from unit.worker.asking import TOOL, Asker

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])

REPOSITORY = Path(__file__).parents[3]


# Answers.


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
    assert ask.server.requests(ask.key)[0].streamed is stream


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


async def test_broken_arguments_of_an_answer_that_just_stopped(ask: Asker) -> None:
    """Arguments that break off where the model "stopped" are a cut stream."""
    outcome = await ask.fault(raw_call("refund", '{"cents": ', finish_reason="stop"), stream=True)
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


def chunk(choice: dict[str, Any]) -> bytes:
    envelope = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "x"}
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
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m\ud83d",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi."},
                "finish_reason": "stop",
            }
        ],
    }
    whole = raw(json.dumps(body).encode(), headers={"content-type": "application/json"})
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


async def test_half_a_character_in_a_plain_answer(ask: Asker) -> None:
    """The same in a plain answer, and in a tool call's arguments."""
    step = raw_call("refund", '{"reason": "\ud83d"}')
    got = await ask.answer(step)
    assert got.calls[0].arguments == '{"reason": "\ufffd"}'
    assert ModelRecord.model_validate_json(got.model_dump_json()) == got


GEMINI = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
}


@both_ways
async def test_gemini(ask: Asker, stream: bool) -> None:
    """Gemini is never streamed: litellm hides whether its streams were whole."""
    path = ask.server.play(f"/gemini/{stream}", fault(200, GEMINI))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    outcome = await ask(model="gemini/gemini-2.5-flash", stream=stream, provider=provider)
    assert isinstance(outcome, ModelRecord), outcome
    assert (outcome.text, outcome.finish_reason, outcome.usage.input_tokens) == ("Hi.", "stop", 3)
    [request] = ask.server.requests(path)
    assert request.path.endswith(":generateContent")
    ask.server.forget(path)


ANTHROPIC = {
    "message_start": {
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 10, "output_tokens": 1},
        }
    },
    "content_block_start": {"index": 0, "content_block": {"type": "text", "text": ""}},
    "content_block_delta": {"index": 0, "delta": {"type": "text_delta", "text": "Hi."}},
    "content_block_stop": {"index": 0},
    "message_delta": {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    "message_stop": {},
}


@pytest.mark.parametrize("sent", range(1, len(ANTHROPIC) + 1))
async def test_anthropic_stream(ask: Asker, sent: int) -> None:
    """A stream of Anthropic's is whole once its stop reason came, and malformed before that."""
    events = list(ANTHROPIC.items())[:sent]
    body = "".join(
        f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events
    )
    path = ask.server.play(f"/anthropic/{sent}", raw(body.encode()))
    outcome = await ask(
        model="anthropic/claude-sonnet-4-5",
        stream=True,
        provider=Provider(base_url=f"{ask.server.origin}{path}"),
    )
    if "message_delta" in dict(events):
        assert isinstance(outcome, ModelRecord), outcome
        assert (outcome.text, outcome.finish_reason) == ("Hi.", "stop")
        assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (10, 5)
    else:
        assert isinstance(outcome, ModelFault)
        assert outcome.error.type == "model-malformed"
    ask.server.forget(path)


# Usage.


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


@both_ways
async def test_unknown_price(ask: Asker, stream: bool) -> None:
    """A model without a known price costs an unknown amount, and not nothing."""
    got = await ask.answer(text("Hi."), model="openai/no-such-model", stream=stream)
    assert got.usage.cost_usd is None
    assert got.usage.model_calls == 1


async def test_no_usage(ask: Asker) -> None:
    """A server that counts no tokens is understood."""
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi."},
                "finish_reason": "stop",
            }
        ],
    }
    got = await ask.answer(fault(200, body))
    assert (got.text, got.usage.input_tokens, got.usage.model_calls) == ("Hi.", 0, 1)


# What is sent.


async def test_request(ask: Asker) -> None:
    """The request has instructions, conversation, tools and the agent's own options."""
    await ask.answer(text("Hi."), options={"temperature": 0, "seed": 7})
    [request] = ask.server.requests(ask.key)
    assert request.path == "/v1/chat/completions"
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ask.key},
    ]
    told = {"name", "description", "parameters"}
    assert request.body["tools"] == [
        {"type": "function", "function": TOOL.model_dump(include=told)}
    ]
    assert (request.body["model"], request.body["temperature"], request.body["seed"]) == ("x", 0, 7)


async def test_request_without_tools(ask: Asker) -> None:
    """An agent without tools sends no empty list of them, which providers refuse."""
    await ask.answer(text("Hi."), tools=[])
    assert "tools" not in ask.server.requests(ask.key)[0].body


@both_ways
async def test_extra_headers(ask: Asker, stream: bool) -> None:
    """A provider's extra headers are sent along."""
    provider = Provider.model_validate(
        {"base_url": ask.server.url, "headers": {"x-team": "shop", "x-more": "yes"}}
    )
    await ask.answer(text("Hi."), provider=provider, stream=stream)
    headers = ask.server.requests(ask.key)[0].headers
    assert (headers["x-team"], headers["x-more"]) == ("shop", "yes")


async def test_server_without_keys(ask: Asker) -> None:
    """A server of one's own needs no key: some text is sent, and never one from elsewhere."""
    await ask.answer(text("Hi."))
    assert ask.server.requests(ask.key)[0].headers["authorization"] == "Bearer none"


# The provider's own fields.


@both_ways
async def test_reasoning_goes_back(ask: Asker, stream: bool) -> None:
    """Reasoning and call ids are kept, and sent back to the provider that they came from."""
    step = Reply(
        Answer(
            text="Wait.",
            reasoning="think hard",
            tool_calls=raw_call("refund", "{}", call_id="call_abc").answer.tool_calls,
        )
    )
    got = await ask.answer(step, stream=stream)
    assert got.opaque is not None
    assert got.opaque.provider == "openai"
    assert got.opaque.fields["reasoning_content"] == "think hard"
    assert got.opaque.call_ids == ["call_abc"]

    again = Asker(ask.server)
    await again.answer(text("Done."), history=_conversation(got))
    sent = again.server.requests(again.key)[0].messages
    assert sent[2]["tool_calls"][0]["id"] == "call_abc"
    assert sent[3]["tool_call_id"] == "call_abc"
    assert sent[2]["reasoning_content"] == "think hard"
    again.server.forget(again.key)


async def test_reasoning_does_not_go_elsewhere(ask: Asker) -> None:
    """Another provider gets neither the reasoning nor the ids of the first one."""
    step = Reply(
        Answer(
            text="Wait.",
            reasoning="think hard",
            tool_calls=raw_call("refund", "{}", call_id="call_abc").answer.tool_calls,
        )
    )
    got = await ask.answer(step)
    elsewhere = Asker(ask.server)
    await elsewhere.answer(text("Done."), history=_conversation(got), model="hosted_vllm/llama")
    sent = elsewhere.server.requests(elsewhere.key)[0].messages
    assert "think hard" not in json.dumps(sent)
    assert "call_abc" not in json.dumps(sent)
    assert sent[3]["tool_call_id"] == sent[2]["tool_calls"][0]["id"]
    elsewhere.server.forget(elsewhere.key)


def _conversation(got: ModelRecord) -> list[StoredMessage]:
    fields: dict[str, Any] = {"run_id": "old", "created_at": NOON}
    shown = [
        {"call_id": f"1.{index}", "name": requested.name, "arguments": {}}
        for index, requested in enumerate(got.calls)
    ]
    return [
        StoredMessage(id="1", role="user", content="Refund it.", **fields),
        StoredMessage.model_validate(
            {
                "id": "2",
                "role": "assistant",
                "content": got.text,
                "tool_calls": shown,
                "opaque": got.opaque,
                **fields,
            }
        ),
        *(
            StoredMessage(id="3", role="tool", content="{}", call_id=call["call_id"], **fields)
            for call in shown
        ),
    ]


# The end of a call.


@both_ways
async def test_cancel_closes_the_connection(ask: Asker, stream: bool) -> None:
    """A cancelled call ends the provider's work too: it sees its client go."""
    asked = asyncio.create_task(ask(hang(), stream=stream))
    await asyncio.to_thread(ask.server.wait_for, ask.key)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")
    assert ask.requests == 1


async def test_cancel_within_a_stream(ask: Asker) -> None:
    """The same between two pieces of a streamed answer."""
    gate = Gate(after_chunks=2)
    asked = asyncio.create_task(ask(text("one two three", gate=gate), stream=True))
    await asyncio.to_thread(gate.wait_reached)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_a_stream_that_drips(ask: Asker) -> None:
    """The timeout is of the whole call: a stream that goes on and on is given up."""
    step = text("word " * 1000, pace_s=0.1)
    outcome = await asyncio.wait_for(ask.fault(step, stream=True, timeout_s=0.5), 10)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_a_stream_that_stalls(ask: Asker) -> None:
    """A stream that stops in its middle is given up too."""
    gate = Gate(after_chunks=2)
    outcome = await ask.fault(text("one two three", gate=gate), stream=True, timeout_s=0.3)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_calls_at_once(ask: Asker) -> None:
    """Calls don't wait for each other."""
    gate = Gate()
    ask.server.script(ask.key, [attempts(text("slow", gate=gate), text("fast"))])
    slow = asyncio.create_task(ask())
    await asyncio.to_thread(gate.wait_reached)
    fast = await ask()
    assert isinstance(fast, ModelRecord)
    assert fast.text == "fast"
    gate.open()
    assert isinstance(await slow, ModelRecord)


def test_only_the_model_module_imports_litellm() -> None:
    """Importing the rest of the worker stays quick: litellm is loaded beside the first requests."""
    code = "import sys, outlast_worker.server; sys.exit('litellm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=60)
