"""The scripted model server does what a test tells it to, and can say what it saw."""

import asyncio
import importlib
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest

from fakes import (
    Ending,
    Gate,
    ScriptedModel,
    attempts,
    call,
    calls,
    cut,
    drop,
    fault,
    hang,
    raw,
    raw_call,
    text,
)
from outlast_local.demo_model.openai_wire import Usage

FIXTURES = Path(__file__).parents[2] / "fixtures" / "provider-errors.json"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedModel]:
    with ScriptedModel.start() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="module")
def litellm() -> ModuleType:
    # It reads this when it is imported, and would else ask the network for prices.
    with patch.dict(os.environ, LITELLM_LOCAL_MODEL_COST_MAP="True"):
        return importlib.import_module("litellm")


def chat(content: Any, *after: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "x", "messages": [{"role": "user", "content": content}, *after], **more}


async def ask(http: aiohttp.ClientSession, server: ScriptedModel, body: Any) -> Any:
    async with http.post(f"{server.url}/chat/completions", json=body) as response:
        return await response.json()


async def stream(http: aiohttp.ClientSession, server: ScriptedModel, body: Any) -> list[Any]:
    async with http.post(f"{server.url}/chat/completions", json=body) as response:
        events = [line.decode().strip() async for line in response.content if line.strip()]
    return [event.removeprefix("data: ") for event in events]


ASSISTANT = {"role": "assistant", "content": "…"}


async def test_turns(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """The answer follows the assistant messages since the last user message, however often."""
    with server.scripted("turns", [call("find_order", order_id="A-1001"), text("It was sent.")]):
        first = chat([{"type": "text", "text": "please: turns"}])
        for _ in range(2):
            choice = (await ask(http, server, first))["choices"][0]
            assert choice["finish_reason"] == "tool_calls"
            function = choice["message"]["tool_calls"][0]["function"]
            assert function == {"name": "find_order", "arguments": '{"order_id": "A-1001"}'}
        second = chat("turns", ASSISTANT, {"role": "tool", "content": "{}"})
        choice = (await ask(http, server, second))["choices"][0]
        assert choice["message"]["content"] == "It was sent."

        assert [server.count("turns", turn) for turn in (1, 2, None)] == [2, 1, 3]
        record = server.requests("turns", 1)[-1]
        assert (record.attempt, record.outcome, record.path) == (
            2,
            "answered",
            "/v1/chat/completions",
        )
        assert record.messages == first["messages"]
        assert record.ended_s is not None
    assert server.requests("turns") == []


async def test_last_user_message_decides(
    server: ScriptedModel, http: aiohttp.ClientSession
) -> None:
    """A key in an earlier message is no match, and of two matching keys the longer one wins."""
    with server.scripted("who", [text("short")]), server.scripted("who is it", [text("long")]):
        answer = await ask(
            http, server, chat("who", ASSISTANT, {"role": "user", "content": "who is it?"})
        )
        assert answer["choices"][0]["message"]["content"] == "long"
        assert (server.count("who"), server.count("who is it")) == (0, 1)


async def test_stream(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """A streamed answer is the plain one in pieces, with usage when it is asked for."""
    usage = Usage(prompt_tokens=7, completion_tokens=3, cached_tokens=5)
    with server.scripted("streamed", [text("one two  three", usage=usage, reasoning="hm")]):
        body = chat("streamed", stream=True, stream_options={"include_usage": True})
        *events, done = await stream(http, server, body)
        assert done == "[DONE]"
        *chunks, last = [json.loads(event) for event in events]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("content") or "" for delta in deltas) == "one two  three"
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "hm"
        assert last["usage"]["prompt_tokens_details"] == {"cached_tokens": 5}
        assert server.requests("streamed")[0].streamed


async def test_parallel_calls(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """Several calls have numbered ids, unless the test gives them wrong ones."""
    wrong = raw_call("b", '{"x": ', call_id="")
    with server.scripted("many", [calls(call("a"), wrong, call("a"), text="Let me see.")]):
        message = (await ask(http, server, chat("many")))["choices"][0]["message"]
        assert message["content"] == "Let me see."
        assert [made["id"] for made in message["tool_calls"]] == ["call_0", "", "call_2"]
        assert message["tool_calls"][1]["function"]["arguments"] == '{"x": '


async def test_attempts(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """Each request of one turn gets the next answer, and the last one repeats."""
    overloaded = fault(503, headers={"retry-after": "2"})
    with server.scripted("again", [attempts(overloaded, text("fine"))]):
        async with http.post(f"{server.url}/chat/completions", json=chat("again")) as response:
            assert (response.status, response.headers["retry-after"]) == (503, "2")
            assert "error" in await response.json()
        for _ in range(2):
            answer = await ask(http, server, chat("again"))
            assert answer["choices"][0]["message"]["content"] == "fine"


async def test_unscripted(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """A request without a script, or past its end, gets a 400 that names the known keys."""
    with server.scripted("the known one", [text("…")]):
        for body in (chat("something else"), chat("the known one", ASSISTANT)):
            async with http.post(f"{server.url}/chat/completions", json=body) as response:
                assert response.status == 400
                assert "the known one" in await response.text()
        assert server.count("the known one") == 0
    assert [record.messages[0]["content"] for record in server.unscripted[-2:]] == [
        "something else",
        "the known one",
    ]


def test_a_key_is_taken_once(server: ScriptedModel) -> None:
    """Two tests can't share a key by accident; a forgotten one is free again."""
    server.script("mine", [text("a")])
    with pytest.raises(ValueError, match="mine"):
        server.script("mine", [text("b")])
    server.forget("mine")
    server.forget(server.script("mine", [text("b")]))


@pytest.mark.parametrize("streamed", [False, True])
async def test_gate(server: ScriptedModel, http: aiohttp.ClientSession, streamed: bool) -> None:
    """A gate holds the answer until it is opened, and tells that the request is there."""
    gate = Gate()
    with server.scripted("gated", [text("at last", gate=gate)]):
        asked = asyncio.create_task(stream(http, server, chat("gated", stream=streamed)))
        await asyncio.to_thread(gate.wait_reached)
        assert server.requests("gated")[0].outcome == "open"
        assert not asked.done()
        gate.open()
        assert "last" in "".join(await asked)
        await asyncio.to_thread(server.wait_for, "gated", outcome="answered")


async def test_gate_inside_a_stream(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """A gate after two chunks lets the role and the first word pass, and holds the rest."""
    gate = Gate(after_chunks=2)
    with server.scripted("midway", [text("one two", gate=gate)]):
        url = f"{server.url}/chat/completions"
        async with http.post(url, json=chat("midway", stream=True)) as response:
            await asyncio.to_thread(gate.wait_reached)
            early = await response.content.readuntil(b'"one"')
            assert b"two" not in early
            gate.open()
            assert b"two" in await response.content.read()


async def test_client_goes_away(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """A request whose client left is aborted; the gate still holds the next one."""
    gate = Gate()
    with server.scripted("left", [text("late", gate=gate)]):
        asked = asyncio.create_task(ask(http, server, chat("left")))
        await asyncio.to_thread(gate.wait_reached)
        asked.cancel()
        await asyncio.to_thread(server.wait_for, "left", outcome="aborted")
        again = asyncio.create_task(ask(http, server, chat("left")))
        await asyncio.to_thread(server.wait_for, "left", count=2)
        gate.open()
        assert (await again)["choices"][0]["message"]["content"] == "late"


async def test_hang(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """A hanging request is recorded, open, and ends when the client gives up."""
    with server.scripted("silence", [hang()]):
        asked = asyncio.create_task(ask(http, server, chat("silence")))
        assert (await asyncio.to_thread(server.wait_for, "silence")).outcome == "open"
        asked.cancel()
        await asyncio.to_thread(server.wait_for, "silence", outcome="aborted")


async def test_wait_for_says_what_it_saw(
    server: ScriptedModel, http: aiohttp.ClientSession
) -> None:
    """A wait past its deadline names the requests that came instead."""
    with server.scripted("seen", [text("a"), text("b")]):
        await ask(http, server, chat("seen"))
        with pytest.raises(TimeoutError, match=r"turn 2 of 'seen'.*\('seen', 1, "):
            server.wait_for("seen", turn=2, timeout_s=0.01)


def test_wait_for_wakes(server: ScriptedModel) -> None:
    """A waiting thread wakes with the request, and no gate is reached without one."""
    with pytest.raises(TimeoutError):
        Gate().wait_reached(0.01)
    with server.scripted("wakes", [text("a")]):

        async def send() -> None:
            async with aiohttp.ClientSession() as session:
                await ask(session, server, chat("wakes"))

        sender = threading.Thread(target=asyncio.run, args=[send()])
        sender.start()
        assert server.wait_for("wakes", outcome="answered").turn == 1
        sender.join()


@pytest.mark.parametrize("ending", [Ending.CLOSE, Ending.RESET])
@pytest.mark.parametrize("streamed", [False, True])
async def test_cut_connection(
    server: ScriptedModel, http: aiohttp.ClientSession, ending: Ending, streamed: bool
) -> None:
    """A cut answer's connection ends inside the body, and the server has played it all."""
    with server.scripted("cut", [cut(text("one two three"), 2, ending)]):
        with pytest.raises(aiohttp.ClientError):
            await stream(http, server, chat("cut", stream=streamed))
        await asyncio.to_thread(server.wait_for, "cut", outcome="answered")


async def test_cut_content(server: ScriptedModel, http: aiohttp.ClientSession) -> None:
    """A stream can end well in HTTP and lack its finish reason and `[DONE]`."""
    with server.scripted("half", [cut(text("one two three"), 2)]):
        events = await stream(http, server, chat("half", stream=True))
        deltas = [json.loads(event)["choices"][0] for event in events]
        assert [choice["finish_reason"] for choice in deltas] == [None, None]


@pytest.mark.parametrize("ending", [Ending.CLOSE, Ending.RESET])
async def test_drop(server: ScriptedModel, http: aiohttp.ClientSession, ending: Ending) -> None:
    """A dropped request gets not even a status line."""
    lost = pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError))
    with server.scripted("dropped", [drop(ending)]), lost:
        await ask(http, server, chat("dropped"))


@pytest.mark.parametrize("name", json.loads(FIXTURES.read_text()))
async def test_play(server: ScriptedModel, http: aiohttp.ClientSession, name: str) -> None:
    """A provider's recorded error is played on any path, as it was."""
    entry = json.loads(FIXTURES.read_text())[name]
    prefix = server.play(f"/play/{name}", entry)
    async with http.post(f"{server.origin}{prefix}/v1/messages", data=b"no json") as response:
        assert response.status == entry["status"]
        got = {key.lower(): value for key, value in response.headers.items()}
        assert entry["headers"].items() <= got.items()
        body = await response.text()
    assert body == entry.get("raw") or json.loads(body) == entry["body"]
    assert server.requests(prefix)[0].body == "no json"
    server.forget(prefix)


def test_stop_with_open_requests() -> None:
    """A server with an open answer stops at once, and may be stopped again."""
    server = ScriptedModel.start()
    server.script("open", [hang()])

    async def send() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await ask(session, server, chat("open"))

    sender = threading.Thread(target=asyncio.run, args=[send()])
    sender.start()
    server.wait_for("open")
    server.stop()
    server.stop()
    sender.join(5)
    assert not sender.is_alive()


# The real client.

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
its_own_warnings = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
async def complete(litellm: ModuleType, server: ScriptedModel) -> AsyncIterator[Any]:
    async def complete(content: str, **more: Any) -> Any:
        return await litellm.acompletion(
            model="openai/x",
            messages=[{"role": "user", "content": content}],
            api_base=server.url,
            api_key="x",
            num_retries=0,
            max_retries=0,
            **more,
        )

    yield complete
    await litellm.close_litellm_async_clients()


@its_own_warnings
async def test_litellm_plain(server: ScriptedModel, complete: Any) -> None:
    """The real client reads a plain answer: its calls, its text and its usage."""
    step = calls(call("find_order", order_id="A-1"), text="Wait.", usage=Usage(7, 3, 5, 2))
    with server.scripted("litellm plain", [step]):
        response = await complete("litellm plain")
    message = response.choices[0].message
    assert message.content == "Wait."
    assert message.tool_calls[0].function.arguments == '{"order_id": "A-1"}'
    assert response.usage.prompt_tokens_details.cached_tokens == 5
    assert response.usage.completion_tokens_details.reasoning_tokens == 2


@its_own_warnings
async def test_litellm_stream(server: ScriptedModel, complete: Any) -> None:
    """The real client reads a stream: arguments in pieces, finish reason, usage."""
    with server.scripted("litellm stream", [call("find_order", order_id="A-1001")]):
        response = await complete(
            "litellm stream", stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in response]
    pieces = [piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or []]
    arguments = "".join(piece.function.arguments for piece in pieces)
    assert json.loads(arguments) == {"order_id": "A-1001"}
    assert response.received_finish_reason == "tool_calls"
    assert chunks[-1].usage.prompt_tokens == 2


@its_own_warnings
async def test_litellm_faults(server: ScriptedModel, complete: Any, litellm: ModuleType) -> None:
    """The real client turns a fault into an error of its own, with one request each."""
    with server.scripted("litellm fault", [attempts(fault(429), drop(), raw(b"", 200))]):
        with pytest.raises(litellm.RateLimitError):
            await complete("litellm fault")
        with pytest.raises(litellm.InternalServerError):
            await complete("litellm fault")
        with pytest.raises(litellm.InternalServerError):
            await complete("litellm fault")
        assert server.count("litellm fault") == 3


@its_own_warnings
async def test_litellm_cut_stream(server: ScriptedModel, complete: Any) -> None:
    """A stream cut in its content ends in litellm as if it were whole, but for one field."""
    with server.scripted("litellm cut", [cut(text("one two three"), 2)]):
        response = await complete("litellm cut", stream=True)
        chunks = [chunk async for chunk in response]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert response.received_finish_reason is None
