"""How models are told what their answers have to be."""

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from fakes import call, calls, text
from outlast.output import Output
from outlast_worker.engine.records import PinnedOutput
from outlast_worker.models.openai_http.providers import takes_schema
from outlast_worker.models.output_format import strict_shape
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
SHAPE: dict[str, Any] = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}},
    "required": ["cents"],
    "additionalProperties": False,
}
CENTS = PinnedOutput(shape=SHAPE, is_wrapped=False, retries=2)


async def test_by_schema(ask: Asker) -> None:
    """A model that takes schemas is held to it strictly, and may call tools before."""
    got = await ask.answer(text('{"cents": 5}'), output=CENTS)
    assert got.text == '{"cents": 5}'
    body = ask.server.requests(ask.key)[0].body
    names = [tool["function"]["name"] for tool in body["tools"]]
    if ask.client == "direct":
        assert body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SHAPE, "strict": True},
        }
        assert names == ["refund"]
    else:
        assert "response_format" not in body
        assert names == ["refund", "final_result"]


async def test_over_responses(ask: Asker) -> None:
    """OpenAI's other interface has the same in another place."""
    if ask.client == "litellm":
        pytest.skip("litellm asks over chat here")
    path = ask.server.play("/schema", text("{}"))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    await ask(model="openai/responses/gpt-5.4", provider=provider, output=CENTS)
    body = ask.server.requests(path)[0].body
    ask.server.forget(path)
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "answer",
        "schema": SHAPE,
        "strict": True,
    }


async def test_by_a_tool(ask: Asker) -> None:
    """A model that takes no schema answers by a tool; what it calls that with is its answer."""
    got = await ask.answer(call("final_result", cents=5), model="groq/llama", output=CENTS)
    assert (got.text, got.calls, got.finish_reason) == ('{"cents": 5}', [], "stop")
    body = ask.server.requests(ask.key)[0].body
    assert "response_format" not in body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["refund", "final_result"]
    assert body["tools"][-1]["function"]["parameters"] == SHAPE
    assert "final_result" in body["messages"][0]["content"]


async def test_beside_other_calls(ask: Asker) -> None:
    """A result that was given without those of other calls is left out: they are run first."""
    step = calls(call("refund", cents=5), call("final_result", cents=5))
    got = await ask.answer(step, model="groq/llama", output=CENTS)
    assert [each.name for each in got.calls] == ["refund"]
    assert got.finish_reason == "tool_calls"


async def test_nothing_is_asked_for(ask: Asker) -> None:
    """Without an output a tool of that name is like any other."""
    got = await ask.answer(call("final_result", cents=5), model="groq/llama")
    assert [each.name for each in got.calls] == ["final_result"]


@pytest.mark.parametrize(
    ("model", "has_tools", "takes"),
    [
        ("openai/gpt-5.4-mini", True, True),
        ("openai/gpt-4o", True, True),
        ("openai/gpt-4-turbo", False, False),
        ("openai/gpt-3.5-turbo", False, False),
        ("hosted_vllm/qwen3", True, False),
        ("hosted_vllm/qwen3", False, True),
        ("ollama/llama3", False, True),
        ("deepseek/deepseek-chat", False, False),
    ],
)
def test_who_takes_schemas(model: str, has_tools: bool, takes: bool) -> None:
    """Some providers take none, and some none beside tools."""
    assert takes_schema(model, has_tools=has_tools) is takes


class Colour(Enum):
    RED = "red"


class Part(BaseModel):
    name: str = Field(min_length=1)
    note: str | None = None
    count: int = 1


class Lamp(BaseModel):
    colour: Colour
    parts: list[Part]
    kind: Literal["desk", "wall"]


def strict_of(kind: Any) -> dict[str, Any] | None:
    return strict_shape(Output.of_type(kind).shape)


def test_strict_shapes() -> None:
    """Objects have all of their properties and no others; what only narrows is left out."""
    lamp = strict_of(Lamp)
    assert lamp is not None
    assert (lamp["required"], lamp["additionalProperties"]) == (
        *(["colour", "parts", "kind"], False),
    )
    assert lamp["properties"]["parts"]["items"] == {"$ref": "#/$defs/Part"}
    part = lamp["$defs"]["Part"]
    assert part["required"] == ["name", "note", "count"]
    assert "minLength" not in part["properties"]["name"]
    assert "default" not in part["properties"]["count"]


@pytest.mark.parametrize(
    "kind",
    [dict[str, int], tuple[int, str], list[dict[str, int]]],
)
def test_what_can_not_be_said_strictly(kind: Any) -> None:
    """Maps and tuples are asked for as they are."""
    assert strict_of(kind) is None


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, False),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, True),
        ({"type": "object", "properties": {"a": True}, "required": ["a"]}, False),
        ({"type": "object"}, True),
    ],
)
def test_what_may_be_left_out(schema: Any, strict: bool) -> None:
    """A property that may be left out and is no null would have to be made up."""
    assert (strict_shape(schema) is not None) is strict
