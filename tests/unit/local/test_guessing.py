"""The demo model calls tools that it has never heard of, with values that their schemas allow."""

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from outlast import ToolError, tool
from outlast.tool import AnyTool
from outlast_local.demo_model import rules
from outlast_local.demo_model.script import Script


class Address(BaseModel):
    city: str
    floor: int = Field(ge=3, le=9)


@tool
def find_parcel(number: str) -> str:
    """Find a parcel.

    Args:
        number: Its number, e.g. `P-100`.
    """
    raise ToolError(number)


@tool
def weather(city: str, days: int, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Forecast the weather.

    Args:
        city: Where.
        days: How many.
        unit: Of temperatures.
    """
    return f"{city} {days} {unit}"


@tool
def deliver(
    addresses: list[Address], speed: Literal["slow", "fast"], note: str | None, fragile: bool
) -> str:
    """Deliver flowers.

    Args:
        addresses: Where to.
        speed: How.
        note: Goes with them.
        fragile: Whether to be careful.
    """
    return f"{addresses} {speed} {note} {fragile}"


TOOLS: tuple[AnyTool, ...] = (find_parcel, weather, deliver)


def ask(question: str, *results: str, tool_choice: Any = "auto") -> dict[str, Any]:
    """Return what the model says, as calls by tool or as a text, after these results."""
    functions = [
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
        for tool in TOOLS
    ]
    request: dict[str, Any] = {
        "messages": [{"role": "user", "content": question}],
        "tools": [{"type": "function", "function": function} for function in functions],
        "tool_choice": tool_choice,
    }
    answer = rules.answer(request, Script())
    for result in results:
        [call] = answer.tool_calls
        function = {"name": call.name, "arguments": call.arguments}
        request["messages"] += [
            {"role": "assistant", "tool_calls": [{"id": call.id, "function": function}]},
            {"role": "tool", "tool_call_id": call.id, "content": result},
        ]
        answer = rules.answer(request, Script())
    calls = {call.name: json.loads(call.arguments) for call in answer.tool_calls}
    return calls or {"text": answer.text}


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("Where is my parcel Q-7?", {"find_parcel": {"number": "Q-7"}}),
        ("Where is my parcel?", {"find_parcel": {"number": "P-100"}}),
        ("What is the weather in New York, 3 days?", {"weather": {"city": "New York", "days": 3}}),
        ('The weather of "ulm", please', {"weather": {"city": "ulm", "days": 1}}),
        (
            "Send flowers fast, 20 of them",
            {
                "deliver": {
                    "addresses": [{"city": "Send flowers fast, 20 of them", "floor": 9}],
                    "speed": "fast",
                    "note": "Send flowers fast, 20 of them",
                    "fragile": True,
                }
            },
        ),
    ],
)
def test_a_fitting_call(question: str, calls: dict[str, Any]) -> None:
    """The tool whose words are in the question is called, and takes what it can from there."""
    assert ask(question) == calls
    [(name, arguments)] = calls.items()
    next(tool for tool in TOOLS if tool.name == name).parse(arguments)


def test_the_sum() -> None:
    """A tool is called once, and what it answered is said, whatever that is."""
    said = ask("Where is my parcel Q-7?", "There is no parcel Q-7.")["text"]
    assert said.startswith("find_parcel answered: There is no parcel Q-7.")
    assert "stand-in" in said


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", ["text"]),
        ("required", ["find_parcel"]),
        ({"type": "function", "function": {"name": "deliver"}}, ["deliver"]),
    ],
)
def test_a_choice(choice: Any, called: list[str]) -> None:
    """What the request says about tools is heeded, whether one fits or not."""
    assert list(ask("Good morning", tool_choice=choice)) == called


def test_an_answer_of_a_shape() -> None:
    """What has to fit a schema is made as arguments are, and nothing is said beside it."""
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["order", "other"]}, "count": {"type": "integer"}},
        "required": ["kind", "count"],
    }
    request = {
        "messages": [{"role": "user", "content": "Something other, 3 of them."}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    said = rules.answer(request, Script())
    assert json.loads(said.text or "") == {"kind": "other", "count": 3}
