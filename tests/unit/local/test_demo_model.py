"""The demo model plays customer support over HTTP, and says that it is no model."""

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from fakes.waiting import DEADLINE_S
from outlast_local.demo_model import rules as demo_rules
from outlast_local.demo_model.__main__ import create_app
from outlast_local.demo_model.amounts import amounts_in_cents
from outlast_local.demo_model.script import load

SCRIPT = load("example_agents")
LAMP = {
    "order_id": "A-1001",
    "customer": "Mina Okafor",
    "item": "Desk lamp, brass",
    "total_cents": 4990,
    "status": "delivered",
    "refunded_cents": 1000,
}


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(create_app(SCRIPT, delay_s=0))) as client:
        yield client


class Conversation:
    """Plays the worker: keeps the messages, and answers tool calls with given results."""

    def __init__(self, client: TestClient, *tools: str) -> None:
        self.client = client
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": "Help."}]
        self.take(*tools)

    def take(self, *tools: str) -> None:
        """Go on with these tools, as whoever takes over does."""
        self.tools = [{"type": "function", "function": {"name": name}} for name in tools]

    async def say(self, text: Any) -> dict[str, Any]:
        self.messages.append({"role": "user", "content": text})
        return await self.turn()

    async def give(self, *results: dict[str, Any] | str) -> dict[str, Any]:
        for call, result in zip(self.messages[-1]["tool_calls"], results, strict=True):
            content = result if isinstance(result, str) else json.dumps(result)
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        return await self.turn()

    async def turn(self) -> dict[str, Any]:
        body = {"model": "demo", "messages": self.messages, "tools": self.tools}
        async with self.client.post("/v1/chat/completions", json=body) as response:
            assert response.status == 200
            completion = await response.json()
        message = completion["choices"][0]["message"]
        self.messages.append(message)
        return message


def calls(message: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    functions = [call["function"] for call in message["tool_calls"]]
    return [(function["name"], json.loads(function["arguments"])) for function in functions]


async def test_refund_of_the_rest(client: TestClient) -> None:
    """A refund without an amount looks the order up, pays the rest, and names what it did."""
    talk = Conversation(client, "find_order", "refund")

    assert calls(await talk.say("I want a refund for A-1001.")) == [
        ("find_order", {"order_id": "A-1001"})
    ]
    [(name, arguments)] = calls(await talk.give(LAMP))
    assert (name, arguments["order_id"], arguments["cents"]) == ("refund", "A-1001", 3990)
    answer = await talk.give({"refund_id": "R-5001", "order_id": "A-1001", "cents": 3990})

    for part in ("A-1001", "Desk lamp", "€39.90", "R-5001", "stand-in", "OPENAI_API_KEY", "MODEL"):
        assert part in answer["content"]


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("Refund 12.50 for it", [1250]),
        ("Refund €12,50 for A-1001", [1250]),
        ("Refund 12 euros for A-1001", [1200]),
        ("Refund 1250 cents of A-1001", [1250]),
        ("Refund EUR 1,234.50 for A-1001", [123450]),
        ("Refund 1.234,5 € for A-1001", [123450]),
        ("A-1001: €5, A-1002: €6.", [500, 600]),
        ("Two of 3 lamps in A-1001 broke", []),
    ],
)
def test_amounts(text: str, cents: list[int]) -> None:
    """An amount is read however people write it, and an order's number is none."""
    assert amounts_in_cents(text) == cents


@pytest.mark.parametrize("wish", ["I want my money back", "please pay it back", "Refund me"])
async def test_named_amount(client: TestClient, wish: str) -> None:
    """The amount that the customer names is the one that is paid, whatever the words."""
    talk = Conversation(client, "find_order", "refund")
    await talk.say(f"{wish}: €12.50 for A-1001")
    [(_, arguments)] = calls(await talk.give(LAMP))
    assert arguments["cents"] == 1250


async def test_lookup_only(client: TestClient) -> None:
    """An order number alone is looked up and described; nothing is paid."""
    talk = Conversation(client, "find_order", "refund")
    await talk.say([{"type": "text", "text": "What about A-1001?"}])
    answer = await talk.give(LAMP)
    assert "Mina Okafor" in answer["content"]
    assert "€49.90" in answer["content"]
    assert "tool_calls" not in answer


async def test_several_orders(client: TestClient) -> None:
    """Several orders are looked up and paid side by side, each with its own amount."""
    talk = Conversation(client, "find_order", "refund")
    found = calls(await talk.say("Refund €5 for A-1001 and €6 for A-1002"))
    assert [arguments["order_id"] for _, arguments in found] == ["A-1001", "A-1002"]
    paid = calls(await talk.give(LAMP, {**LAMP, "order_id": "A-1002"}))
    assert [arguments["cents"] for _, arguments in paid] == [500, 600]


async def test_tool_error(client: TestClient) -> None:
    """The text of a tool's error is passed on, and the other order still goes ahead."""
    talk = Conversation(client, "find_order", "refund")
    await talk.say("Refund A-9999 and A-1001")
    [(_, arguments)] = calls(await talk.give("There is no order A-9999.", LAMP))
    assert arguments["order_id"] == "A-1001"
    answer = await talk.give("The bank said no.")
    assert "There is no order A-9999." in answer["content"]
    assert "The bank said no." in answer["content"]


async def test_nothing_left(client: TestClient) -> None:
    """An order that was paid back in full is not paid again."""
    talk = Conversation(client, "find_order", "refund")
    await talk.say("Refund A-1001")
    answer = await talk.give({**LAMP, "refunded_cents": 4990})
    assert "nothing left to refund" in answer["content"]


async def test_new_message_starts_anew(client: TestClient) -> None:
    """Results of an earlier message don't answer a later one."""
    talk = Conversation(client, "find_order", "refund")
    await talk.say("What about A-1001?")
    await talk.give(LAMP)
    assert calls(await talk.say("And A-1001 now?")) == [("find_order", {"order_id": "A-1001"})]


async def test_a_team(client: TestClient) -> None:
    """The desk asks and hands over at once; who takes over goes on, and reports what was found."""
    talk = Conversation(client, "warehouse", "transfer_to_support")
    asked = calls(await talk.say("Please refund A-1001. Is the Desk lamp, brass in stock?"))
    assert asked == [
        ("warehouse", {"input": "Is the Desk lamp, brass in stock"}),
        ("transfer_to_support", {"order_id": "A-1001"}),
    ]
    warehouse = Conversation(client, "find_stock", "order_more")
    assert calls(await warehouse.say(asked[0][1]["input"])) == [
        ("find_stock", {"item": "Desk lamp, brass"})
    ]
    found = (await warehouse.give("12"))["content"]
    assert found.startswith("Desk lamp, brass: 12 in stock.")
    talk.take("find_order", "refund")
    assert calls(await talk.give(found, "support has taken over."))[0][0] == "find_order"
    [(name, _)] = calls(await talk.give(LAMP))
    assert name == "refund"
    answer = await talk.give({"refund_id": "R-1", "order_id": "A-1001", "cents": 3990})
    assert answer["content"].startswith("The warehouse says: Desk lamp, brass: 12 in stock. I ref")
    assert answer["content"].count("I am a stand-in") == 1


@pytest.mark.parametrize("tools", [(), ("refund",), ("search",)])
async def test_nothing_to_call(client: TestClient, tools: tuple[str, ...]) -> None:
    """Where no tool fits, or the one that must come first is missing, the question is repeated."""
    talk = Conversation(client, *tools)
    await talk.say("Hello")
    answer = await talk.say("Please refund A-1001")
    assert "tool_calls" not in answer
    assert "Please refund A-1001" in answer["content"]
    assert "2 earlier messages" in answer["content"]


async def test_stream_is_the_same_answer(client: TestClient) -> None:
    """A streamed answer has the same text, a usage chunk when asked for, and an end."""
    body = {
        "messages": [{"role": "user", "content": "Hello there"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    async with client.post("/v1/chat/completions", json=body) as response:
        events = (await response.text()).strip().split("\n\n")
    assert events.pop() == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    usage, finish = chunks.pop(), chunks.pop()
    assert usage["usage"]["prompt_tokens"] == 2
    assert finish["choices"][0]["finish_reason"] == "stop"
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == demo_rules.answer(body, SCRIPT).text


@pytest.mark.parametrize("body", [b"", b"[]", b'{"messages": 1}'])
async def test_bad_request(client: TestClient, body: bytes) -> None:
    """What is no chat request is answered as OpenAI does: 400 and an error object."""
    async with client.post("/v1/chat/completions", data=body) as response:
        assert response.status == 400
        assert "messages" in (await response.json())["error"]["message"]


async def test_models_and_health(client: TestClient) -> None:
    """The model is listed, and a probe finds the server well."""
    async with client.get("/v1/models") as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["demo"]
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_sigterm_ends_it() -> None:
    """The command serves, and ends at once on SIGTERM, even while it thinks."""
    port = random.randrange(20_000, 32_000)
    command = ["-m", "outlast_local.demo_model", "--port", str(port), "--delay-s", "60"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)).decode()
        assert f"127.0.0.1:{port}" in line
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        thinks = {"messages": [], "stream": True}
        async with aiohttp.ClientSession() as session, session.post(url, json=thinks) as answer:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 30) == 0
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def offered(tool: str, /, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [*properties]}
    return {"type": "function", "function": {"name": tool, "parameters": parameters}}


async def test_a_skill(client: TestClient) -> None:
    """It reads the skill whose name fits, once, and says what that says."""
    talk = Conversation(client)
    talk.tools = [offered("read_skill", name={"enum": ["gift-cards", "damaged-deliveries"]})]
    asked = await talk.say("What about a damaged lamp?")
    assert calls(asked) == [("read_skill", {"name": "damaged-deliveries"})]
    assert "Ask for a photo." in (await talk.give("Ask for a photo."))["content"]
    assert "read_skill" not in (await talk.say("And a broken one?"))["content"]


async def test_a_search(client: TestClient) -> None:
    """It searches where no tool fits, and calls one that was found."""
    talk = Conversation(client)
    search = offered("search_tools", query={"type": "string"})
    talk.tools = [search]
    asked = await talk.say("Show the newest invoice.")
    assert calls(asked) == [("search_tools", {"query": "Show the newest invoice."})]
    talk.tools = [search, offered("invoice_count"), offered("invoice_newest")]
    assert calls(await talk.give("Found.")) == [("invoice_newest", {})]
    assert "invoice_newest answered: invoice 3." in (await talk.give("invoice 3."))["content"]
    talk.tools = [search]
    await talk.say("Show the weather.")
    assert "search_tools answered: Nothing." in (await talk.give("Nothing."))["content"]


async def test_it_sums_up_what_it_is_handed(client: TestClient) -> None:
    """Of a conversation as the worker hands it over it says how each word of the user begins."""
    said = [
        {"role": "user", "text": "My lamp is broken, and I need a new one."},
        {"role": "assistant", "text": "I am sorry."},
        {"role": "user", "text": "So am I."},
    ]
    lines = "\n".join(json.dumps(each) for each in said)
    answer = await Conversation(client).say(f"Sum up these messages:\n\n{lines}")
    assert "The user wrote: My lamp is broken, and I; So am I." in answer["content"]
