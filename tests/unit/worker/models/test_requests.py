"""What is sent to a provider: the request, and what only that provider understands."""

import json
from typing import Any

import pytest

from fakes import Reply, fault, raw_call, text
from fakes.records import NOON
from outlast import ModelSettings
from outlast.protocol import ToolChoice
from outlast_local.demo_model.openai_wire import Answer
from outlast_worker.engine.records import ModelRecord, StoredMessage
from outlast_worker.settings import Provider
from unit.worker.models.asking import TOOL, Asker

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


async def test_request(ask: Asker) -> None:
    """The request has instructions, conversation, tools and the agent's own options."""
    await ask.answer(text("Hi."), settings=ModelSettings(temperature=0, seed=7))
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


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"),
        ("refund", {"type": "function", "function": {"name": "refund"}}),
    ],
)
async def test_tool_choice_of_a_run(ask: Asker, choice: ToolChoice, sent: Any) -> None:
    """What a run wants of its first answer is asked of that alone; later ones are as ever."""
    bodies: list[Any] = []
    for turn in (1, 2):
        asked = ask.another()
        await asked.answer(
            text("Hi."), turn=turn, tool_choice=choice, settings=ModelSettings(tool_choice="auto")
        )
        bodies.append(asked.server.requests(asked.key)[0].body)
        asked.server.forget(asked.key)
    assert [body["tool_choice"] for body in bodies] == [sent, "auto"]


async def test_settings_about_tools_without_tools(ask: Asker) -> None:
    """Providers refuse what is said about tools where there is none: it is left out."""
    settings = ModelSettings(parallel_tool_calls=False, tool_choice="auto", seed=7)
    await ask.answer(text("Hi."), tools=[], tool_choice="none", settings=settings)
    body = ask.server.requests(ask.key)[0].body
    assert body["seed"] == 7
    assert {"parallel_tool_calls", "tool_choice"}.isdisjoint(body)


@both_ways
async def test_extra_headers(ask: Asker, stream: bool) -> None:
    """A provider's extra headers are sent along."""
    provider = Provider.model_validate(
        {"base_url": ask.server.url, "headers": {"x-team": "shop", "x-more": "yes"}}
    )
    await ask.answer(text("Hi."), provider=provider, stream=stream)
    headers = ask.server.requests(ask.key)[0].headers
    assert (headers["x-team"], headers["x-more"]) == ("shop", "yes")


async def test_headers_of_an_agent(ask: Asker) -> None:
    """An agent's own headers go along with those of the settings, which win."""
    provider = Provider.model_validate({"base_url": ask.server.url, "headers": {"x-team": "shop"}})
    own = {"x-team": "agent", "x-beta": "on"}
    await ask.answer(text("Hi."), provider=provider, settings=ModelSettings(extra_headers=own))
    headers = ask.server.requests(ask.key)[0].headers
    assert (headers["x-team"], headers["x-beta"]) == ("shop", "on")


@pytest.mark.parametrize("name", ["openai", "anthropic", "mistral", "gemini"])
async def test_what_only_the_provider_knows(ask: Asker, name: str) -> None:
    """What stands in `extra_body` reaches every provider as it is."""
    path = ask.server.play(f"/extra/{name}", fault(400))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    await ask.fault(
        model=f"{name}/x",
        provider=provider,
        settings=ModelSettings(extra_body={"brand_new": {"a": 1}}),
    )
    [request] = ask.server.requests(path)
    ask.server.forget(path)
    assert request.body["brand_new"] == {"a": 1}
    assert "extra_body" not in request.body


async def test_server_without_keys(ask: Asker) -> None:
    """A server of one's own needs no key: some text is sent, and never one from elsewhere."""
    await ask.answer(text("Hi."))
    assert ask.server.requests(ask.key)[0].headers["authorization"] == "Bearer none"


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

    again = ask.another()
    await again.answer(text("Done."), history=_conversation(got))
    sent = again.server.requests(again.key)[0].messages
    assert sent[2]["tool_calls"][0]["id"] == "call_abc"
    assert sent[3]["tool_call_id"] == "call_abc"
    assert sent[2]["reasoning_content"] == "think hard"
    again.server.forget(again.key)


@both_ways
@pytest.mark.parametrize("kept", [False, True])
async def test_reasoning_is_kept(ask: Asker, stream: bool, kept: bool) -> None:
    """An agent may keep what the model thought, whether or not anybody watched it."""
    step = Reply(Answer(text="Wait.", reasoning="think hard"))
    got = await ask.answer(step, stream=stream, keep_reasoning=kept)
    assert got.reasoning == ("think hard" if kept else None)


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
    elsewhere = ask.another()
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
