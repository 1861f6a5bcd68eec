"""What Anthropic is asked: settings in its words, tools, thinking, schemas."""

from typing import Any

import pytest

from fakes.messages_wire import streamed, text
from fakes.records import NOON, model_call, pin
from outlast import ModelSettings
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import PinnedOutput, StoredMessage
from outlast_worker.models.anthropic_http.request import ask_for
from unit.worker.models.anthropic_http.conftest import Messenger
from unit.worker.models.asking import TOOL

QUESTION = StoredMessage(id="1", role="user", content="Hi.", run_id="r", created_at=NOON)
SHAPE: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many."}},
    "required": ["n"],
}


def call(model: str = "claude-sonnet-4-5", **settings: Any) -> ModelCall:
    return model_call(
        pin("refund"),
        model=f"anthropic/{model}",
        messages=[QUESTION],
        settings=ModelSettings(cache_prompt=False, **settings),
    )


def body(model: str = "claude-sonnet-4-5", **settings: Any) -> dict[str, Any]:
    return dict(ask_for(call(model, **settings), "api.anthropic.com").body)


async def test_what_is_asked(messages: Messenger) -> None:
    """Instructions, the conversation, tools and settings stand where this interface has them."""
    settings = ModelSettings(
        temperature=0.5, stop=["END"], max_output_tokens=7, extra_body={"top_k": 3}
    )
    await messages.answer(streamed(text("Hi.")), settings=settings)
    hint = {"cache_control": {"type": "ephemeral"}}
    assert messages.bodies == [
        {
            "model": "claude-sonnet-4-5",
            "max_tokens": 7,
            "system": [{"type": "text", "text": "Be brief.", **hint}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": messages.ask.key, **hint}]}
            ],
            "tools": [
                {"name": "refund", "description": "Pay back.", "input_schema": TOOL.parameters}
            ],
            "temperature": 0.5,
            "stop_sequences": ["END"],
            "top_k": 3,
            "stream": True,
        }
    ]


@pytest.mark.parametrize(
    ("model", "settings", "max_tokens"),
    [
        ("claude-sonnet-4-5", {}, 64_000),
        ("claude-opus-4-8", {}, 128_000),
        ("claude-opus-4-8", {"max_output_tokens": 100}, 100),
        ("glm-5", {}, 8192),
        ("glm-5", {"reasoning_effort": "high"}, 8192 + 4096),
    ],
)
def test_how_long_an_answer_may_get(model: str, settings: Any, max_tokens: int) -> None:
    """It has to be said: what is set, else what is known of the model, else a limit of ours."""
    assert body(model, **settings)["max_tokens"] == max_tokens


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "refund"}, {"type": "tool", "name": "refund"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choice(settings: Any, choice: Any) -> None:
    """Which tools it may call, and how many at once, is one thing there."""
    assert body(**settings).get("tool_choice") == choice


def test_without_tools() -> None:
    """What concerns tools is left out where there is none, as are empty instructions."""
    plain = model_call(
        pin().model_copy(update={"instructions": " "}),
        model="anthropic/claude-sonnet-4-5",
        messages=[QUESTION],
        settings=ModelSettings(tool_choice="auto"),
    )
    assert {"tools", "tool_choice", "system"}.isdisjoint(ask_for(plain, None).body)


ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "settings", "thinking", "effort"),
    [
        ("claude-sonnet-4-5", {}, None, None),
        ("claude-sonnet-4-5", {"reasoning_effort": "none"}, None, None),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high"},
            {"type": "enabled", "budget_tokens": 4096},
            None,
        ),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high", "max_output_tokens": 2000},
            {"type": "enabled", "budget_tokens": 1999},
            None,
        ),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high", "max_output_tokens": 1000},
            None,
            None,
        ),
        ("claude-sonnet-4-5", {"reasoning_effort": "high", "tool_choice": "required"}, None, None),
        ("claude-opus-4-6", {}, None, None),
        ("claude-opus-4-6", {"reasoning_effort": "none"}, None, None),
        ("claude-opus-4-6", {"reasoning_effort": "minimal"}, ADAPTIVE, "low"),
        ("claude-opus-4-6", {"reasoning_effort": "xhigh"}, ADAPTIVE, "high"),
        ("claude-opus-4-6", {"reasoning_effort": "max"}, ADAPTIVE, "max"),
        ("claude-opus-4-8", {"reasoning_effort": "xhigh"}, ADAPTIVE, "xhigh"),
        ("claude-opus-4-8", {"reasoning_effort": "low", "tool_choice": "refund"}, None, None),
        ("claude-opus-5", {}, ADAPTIVE, None),
        ("claude-opus-5", {"reasoning_effort": "none"}, OFF, None),
        ("claude-opus-5", {"reasoning_effort": "low", "tool_choice": "refund"}, OFF, None),
        ("claude-opus-5-5", {"reasoning_effort": "none"}, None, "low"),
        ("claude-opus-5-5", {"reasoning_effort": "medium"}, ADAPTIVE, "medium"),
        ("claude-fable-5", {"tool_choice": "required"}, None, None),
        ("glm-5", {"reasoning_effort": "low"}, {"type": "enabled", "budget_tokens": 1024}, None),
        (
            "claude-opus-4-8",
            {"extra_body": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}},
            {"type": "adaptive"},
            "max",
        ),
    ],
)
def test_thinking(model: str, settings: Any, thinking: Any, effort: str | None) -> None:
    """Each generation is told in its own words how much to think; what forces a call wins."""
    said = body(model, **settings)
    assert said.get("thinking") == thinking
    assert said.get("output_config", {}).get("effort") == effort


def output(shape: dict[str, Any], model: str, host: str | None) -> dict[str, Any]:
    asked = call(model)
    pinned = PinnedOutput(shape=shape, is_wrapped=False, retries=1)
    made = model_call(
        asked.pin.model_copy(update={"output": pinned}),
        model=asked.model,
        messages=asked.messages,
        settings=ModelSettings(extra_body={"output_config": {"effort": "low"}}),
    )
    return dict(ask_for(made, host).body)


def test_a_schema() -> None:
    """Anthropic's models are held to it, without what it can't say there."""
    said = output(SHAPE, "claude-opus-4-8", "api.anthropic.com")
    strict = {
        "type": "object",
        "properties": {"n": {"type": "integer", "description": "How many."}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert said["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": strict},
    }
    assert [tool["name"] for tool in said["tools"]] == ["refund"]


RECURSIVE: dict[str, Any] = {
    "type": "object",
    "properties": {"tree": {"$ref": "#/$defs/Tree"}},
    "required": ["tree"],
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {"trees": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
            "required": ["trees"],
        }
    },
}
LOOSE: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("shape", "model", "host"),
    [
        (RECURSIVE, "claude-opus-4-8", "api.anthropic.com"),
        (LOOSE, "claude-opus-4-8", "api.anthropic.com"),
        (SHAPE, "claude-opus-4-1", "api.anthropic.com"),
        (SHAPE, "glm-5", "api.anthropic.com"),
        (SHAPE, "claude-opus-4-8", "gateway.example"),
    ],
    ids=["recursive", "loose", "old", "another's", "gateway"],
)
def test_the_final_tool(shape: dict[str, Any], model: str, host: str) -> None:
    """What can't be said by a schema, or not to this server, is asked for by a tool."""
    said = output(shape, model, host)
    assert "format" not in said["output_config"]
    assert [tool["name"] for tool in said["tools"]] == ["refund", "final_result"]
