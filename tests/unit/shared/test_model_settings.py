"""How a model is asked: typed, checked where it is written, and merged in one place."""

from typing import Any

import pytest

from outlast import DefinitionError, ModelSettings
from outlast.model_support import unsupported


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"temprature": 0}, "none is called 'temprature'; did you mean temperature=…?"),
        ({"max_tokens": 9}, "did you mean max_output_tokens=…?"),
        ({"stop_sequences": ["a"]}, "did you mean stop=…?"),
        ({"top_k": 4}, 'if your provider takes it, write extra_body={"top_k": …}'),
        ({"stream": True}, "'stream' is not yours to set; the worker does"),
        ({"temperature": "0"}, "temperature is '0'; it must be a valid number"),
        ({"temperature": 3}, "temperature is 3; it must be less than or equal to 2"),
        ({"max_output_tokens": 0}, "it must be greater than or equal to 1"),
        ({"reasoning_effort": "much"}, "it must be 'none', 'minimal', 'low'"),
        ({"tool_choice": ""}, "tool_choice is ''"),
        ({"stop": []}, "stop is []"),
        ({"stop": "END"}, "stop is 'END'; it must be a valid list"),
        ({"extra_body": {"messages": []}}, "extra_body may not have 'messages'"),
        ({"extra_body": {"seed": 7}}, "write seed=… in place of extra_body={'seed': …}"),
        ({"extra_body": {"a": float("nan")}}, "not JSON compliant"),
        ({"extra_body": {"a": object()}}, "extra_body is"),
    ],
)
def test_mistakes(given: dict[str, Any], advice: str) -> None:
    """What can't be used is refused where it is written, with what to write."""
    with pytest.raises(DefinitionError) as raised:
        ModelSettings(**given)
    assert advice in str(raised.value)
    assert str(raised.value).startswith("model settings: ")


def test_names() -> None:
    """What is set has its name, and so has what only the provider knows."""
    settings = ModelSettings(seed=7, extra_body={"top_k": 4})
    assert settings.names == {"seed", "top_k"}
    assert ModelSettings().names == frozenset()


def test_overriding() -> None:
    """What a start asks for counts; null changes nothing, and a wrong value is refused."""
    settings = ModelSettings(temperature=0.5, seed=7)
    assert settings.override({"temperature": 0, "top_p": None}) == ModelSettings(
        temperature=0, seed=7
    )
    with pytest.raises(DefinitionError, match="top_p is 2"):
        settings.override({"top_p": 2})


@pytest.mark.parametrize(
    ("choice", "later"),
    [("required", None), ("refund", None), ("auto", "auto"), ("none", "none"), (None, None)],
)
def test_a_forced_call(choice: str | None, later: str | None) -> None:
    """A model has to call a tool in the first turn only: else its run would never end."""
    settings = ModelSettings(tool_choice=choice, seed=7)
    assert settings.in_turn(1) == settings
    assert settings.in_turn(2) == ModelSettings(tool_choice=later, seed=7)


def test_what_a_newer_process_wrote() -> None:
    """What is read and not written here may have fields that are not known."""
    assert ModelSettings.model_validate({"seed": 7, "mood": "calm"}) == ModelSettings(seed=7)


@pytest.mark.parametrize(
    ("model", "settings", "names"),
    [
        ("openai/gpt-5-mini", {"temperature": 0, "top_p": 1.0}, {"temperature", "top_p"}),
        ("openai/responses/gpt-5", {"seed": 1}, {"seed"}),
        ("openai/o3", {"stop": ["a"], "reasoning_effort": "low"}, {"stop"}),
        ("openai/gpt-5-chat-latest", {"temperature": 0}, set()),
        ("openai/gpt-5.2", {"temperature": 0}, set()),
        ("openai/gpt-5.2", {"temperature": 0, "reasoning_effort": "none"}, set()),
        ("openai/gpt-5.2", {"temperature": 0, "reasoning_effort": "low"}, {"temperature"}),
        ("openai/gpt-5.4", {"seed": 1}, {"seed"}),
        ("openai/gpt-4o", {"temperature": 0, "seed": 1}, set()),
        ("openai/gpt-4o", {"reasoning_effort": "low"}, {"reasoning_effort"}),
        ("anthropic/claude-sonnet-4-5", {"seed": 1, "temperature": 0}, {"seed"}),
        ("anthropic/claude-sonnet-4-5", {"temperature": 0, "top_p": 0.5}, {"top_p"}),
        ("anthropic/claude-sonnet-4-5", {"temperature": 1.5}, {"temperature"}),
        (
            "anthropic/claude-sonnet-4-5",
            {"temperature": 0, "reasoning_effort": "low"},
            {"temperature"},
        ),
        ("anthropic/claude-sonnet-4-5", {"temperature": 0, "reasoning_effort": "none"}, set()),
        ("anthropic/claude-sonnet-4-5", {"stop": ["END", "\n"]}, {"stop"}),
        ("anthropic/claude-sonnet-4-5", {"tool_choice": "required"}, set()),
        ("anthropic/claude-opus-4-8", {"temperature": 0, "top_p": 1.0}, {"temperature", "top_p"}),
        ("anthropic/claude-opus-5-5", {"tool_choice": "refund"}, {"tool_choice"}),
        ("anthropic/claude-haiku-5-5", {"tool_choice": "refund"}, set()),
        ("anthropic/claude-3-5-haiku-latest", {"reasoning_effort": "low"}, {"reasoning_effort"}),
        ("anthropic/glm-5", {"temperature": 1.5, "top_p": 0.5, "reasoning_effort": "low"}, set()),
        ("groq/llama-3.3-70b-versatile", {"reasoning_effort": "low"}, {"reasoning_effort"}),
        ("groq/openai/gpt-oss-120b", {"reasoning_effort": "low"}, set()),
        ("openai/my-own-model", {"temperature": 0, "seed": 1, "stop": ["a"]}, set()),
        ("hosted_vllm/gpt-5", {"temperature": 0}, set()),
    ],
)
def test_what_a_model_does_not_take(model: str, settings: dict[str, Any], names: set[str]) -> None:
    """As its provider's documents say; of others everything is taken."""
    assert unsupported(model, ModelSettings(**settings)).keys() == names
