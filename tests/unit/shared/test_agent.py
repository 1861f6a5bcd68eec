"""An `Agent` is frozen data, and a mistake in it shows when its file is imported."""

import dataclasses
from typing import Any

import pytest

from fakes.names import named
from outlast import Agent, DefinitionError, ModelSettings, tool
from outlast.agent import DEFAULT_MAX_TURNS


@tool
def find() -> str:
    """Find."""
    return ""


@tool(name="find")
def find_too() -> str:
    """Find."""
    return ""


@tool
def final_result() -> str:
    """Clash."""
    return ""


def make(**changes: Any) -> Agent:
    return Agent(**{"name": "support", "instructions": "Help.", **changes})


def test_defaults() -> None:
    """Name and instructions are enough; the run is limited all the same."""
    agent = make()
    assert (agent.model, agent.description, agent.tools, agent.model_settings) == (
        None,
        None,
        (),
        ModelSettings(),
    )
    assert agent.limits.max_turns == DEFAULT_MAX_TURNS


def test_overrides() -> None:
    """Runs may have the options of their model calls otherwise; the author says what else."""
    assert make().overrides == {"options"}
    assert make(overrides=["instructions"]).overrides == {"instructions"}
    assert make(overrides=()).overrides == set()


def test_frozen() -> None:
    """An agent can't be changed after its import, not even by the list that it was made of."""
    tools = [find]
    agent = make(tools=tools)
    tools.clear()
    assert agent.tools == (find,)
    with pytest.raises(dataclasses.FrozenInstanceError):
        agent.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["a", "support", "a-1_b", "a" * 63])
def test_names(name: str) -> None:
    """Names are what URLs and Restate take."""
    assert make(name=name).name == name


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"name": ""}, "starts with a lower-case letter"),
        ({"name": "Support"}, "starts with a lower-case letter"),
        ({"name": "1st"}, "starts with a lower-case letter"),
        ({"name": "a.b"}, "starts with a lower-case letter"),
        ({"name": "a\n"}, "starts with a lower-case letter"),
        ({"name": "a" * 64}, "at most 63"),
        ({"instructions": "  \n"}, "say what it is for"),
        ({"model": "gpt-5"}, "write provider/model"),
        ({"model": "/gpt-5"}, "write provider/model"),
        ({"model": "openai/"}, "write provider/model"),
        ({"tools": [find, find_too]}, "two tools are called 'find'; rename one"),
        ({"tools": None}, "tools is None; it must be a list"),
        ({"tools": "abc"}, "tools is 'abc'; it must be a list"),
        ({"tools": find}, r"it must be a list, such as tools=\[refund\]"),
        ({"tools": [None]}, "decorate the function with @tool"),
        ({"name": 5}, "name is 5; it must be a text"),
        ({"instructions": None}, "instructions is None; it must be a text"),
        ({"description": ["a"]}, "it must be a text"),
        ({"model": 5}, "model is 5; it must be a text, such as openai/"),
        ({"limits": {"max_turns": 5}}, r"it must be Limits, such as Limits\(max_turns=5\)"),
        ({"limits": None}, "it must be Limits"),
        ({"output_type": type(Ellipsis)}, "it must be a type that pydantic can read"),
        ({"output_type": int, "output_retries": -1}, "between 0 and 10"),
        ({"output_retries": "2"}, "it must be a number"),
        ({"output_type": int, "tools": [final_result]}, "no tool may be called 'final_result'"),
        ({"on_limit": "ask"}, 'it must be "stop" or "approve"'),
        ({"fallbacks": "openai/x"}, r"it must be a list, such as \["),
        ({"compaction": "sum"}, 'it must be "summary", "window", or None to turn it off'),
        ({"compact_at": 70}, "it must be a part of the model's window, such as 0.7"),
        ({"compact_at": 1.5}, "it must be a part of the model's window, such as 0.7"),
        ({"context_window": 5}, "it must be in tokens, such as 128_000"),
        ({"context_window": "128k"}, "it must be a number of tokens, such as 128_000"),
        ({"compaction_model": "gpt-5"}, "compaction_model is 'gpt-5'; write provider/model"),
        ({"fallbacks": ["gpt-5"]}, "a model of fallbacks is 'gpt-5'; write provider/model"),
        ({"model": "a/b", "fallbacks": ["a/b"]}, "a/b is asked already; leave it out"),
        ({"fallbacks": ["a/b", "a/b"]}, "a/b is asked already; leave it out"),
        ({"overrides": "options"}, r"it must be a set, such as \{"),
        ({"overrides": {"instruction"}}, r"did you mean 'instructions'\?"),
        ({"overrides": [7]}, "there are options, instructions"),
        ({"model_settings": None}, "it must be ModelSettings"),
        ({"model_settings": {"seed": 1}}, r"such as ModelSettings\(temperature=0\)"),
        ({"tools": [print]}, "decorate the function with @tool"),
        (
            {"model": "openai/gpt-5-mini", "model_settings": ModelSettings(temperature=0)},
            "openai/gpt-5-mini takes no temperature: it is a reasoning model; leave it out",
        ),
        (
            {"tools": [find], "model_settings": ModelSettings(tool_choice="fin")},
            r"tool_choice is 'fin'; write auto, none, required, or one of its tools \(find\)",
        ),
        ({"model_settings": ModelSettings(tool_choice="find")}, "it has none"),
    ],
    ids=named,
)
def test_mistakes(changes: dict[str, Any], fix: str) -> None:
    """A declaration that can't work is refused, with the way to mend it."""
    with pytest.raises(DefinitionError, match=fix):
        make(**changes)
