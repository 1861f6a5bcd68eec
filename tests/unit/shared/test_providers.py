"""The known providers of models: whom a misspelt name means, and where keys are found."""

import re
from pathlib import Path

import pytest

from outlast.providers import (
    COMMON_KEYS,
    PROVIDERS,
    correct_model,
    key_variables,
    nearest_provider,
    provider_of,
)

COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"


@pytest.mark.parametrize(
    ("model", "provider"),
    [("openai/gpt-5", "openai"), ("bedrock/a/b", "bedrock"), ("openrouter/x/y", "openrouter")],
)
def test_provider_of(model: str, provider: str) -> None:
    """The provider is what stands before the first slash."""
    assert provider_of(model) == provider


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("opnai", "openai"),
        ("Anthropic", "anthropic"),
        ("grok", "xai"),
        ("google", "gemini"),
        ("vertex", "vertex_ai"),
        ("acme", None),
    ],
)
def test_nearest_provider(name: str, meant: str | None) -> None:
    """A slip, another case and what people call a provider lead to its name."""
    assert nearest_provider(name) == meant


def test_correct_model() -> None:
    """The whole model string is told as it should be."""
    assert correct_model("opnai/a/b").endswith("did you mean openai/a/b?")


@pytest.mark.parametrize(
    ("provider", "variables"),
    [
        ("openai", ("OPENAI_API_KEY",)),
        ("gemini", ("GOOGLE_API_KEY", "GEMINI_API_KEY")),
        ("bedrock", ()),
        ("a-new-one", ("A_NEW_ONE_API_KEY",)),
    ],
)
def test_key_variables(provider: str, variables: tuple[str, ...]) -> None:
    """A provider's keys are where its own documents say, and else named after it."""
    assert key_variables(provider) == variables


def test_common_keys() -> None:
    """Each common key is some provider's, and compose hands the worker exactly these."""
    keys = {key for known in PROVIDERS.values() for key in known.keys}
    assert set(COMMON_KEYS) <= keys
    handed = re.findall(r"^ {6}([A-Z]+_API_KEY):$", COMPOSE.read_text(), re.MULTILINE)
    assert sorted(handed) == sorted(COMMON_KEYS)
