"""Where each provider is asked, with which key, and in which words."""

import json
from typing import Any

import pytest

from fakes.records import model_call, pin
from outlast import ModelSettings
from outlast.providers import PROVIDERS as NAMES
from outlast_worker.models.keys import Access
from outlast_worker.models.openai_http.api import OpenAiHttpApi
from outlast_worker.models.openai_http.providers import PROVIDERS, chat_url, headers, no_address
from outlast_worker.models.openai_http.request import chat_body
from outlast_worker.settings import Provider

AZURE = "https://r.openai.azure.com"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own variables count for nothing here."""
    for known in PROVIDERS.values():
        for variable in known.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("AZURE_API_VERSION", raising=False)


def access(base_url: str | None = None, **sent: str) -> Access:
    return Access(base_url, sent, "secret", None)


def body(model: str, **settings: Any) -> dict[str, Any]:
    call = model_call(pin("refund"), model=model, settings=ModelSettings(**settings))
    return json.loads(chat_body(call, None))


def test_all_are_known() -> None:
    """Each has a name that the settings know, and a key of its own."""
    assert PROVIDERS.keys() <= NAMES.keys()


@pytest.mark.parametrize(
    ("model", "base_url", "url"),
    [
        ("openai/x", None, "https://api.openai.com/v1/chat/completions"),
        ("openai/x", "http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("openai/x", "http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("groq/x", None, "https://api.groq.com/openai/v1/chat/completions"),
        ("ollama/x", None, "http://localhost:11434/v1/chat/completions"),
        ("ollama/x", "http://h:1", "http://h:1/v1/chat/completions"),
        ("ollama/x", "http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("perplexity/sonar", None, "https://api.perplexity.ai/chat/completions"),
        (
            "azure/mine",
            "https://r.openai.azure.com",
            f"{AZURE}/openai/deployments/mine/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure/mine",
            "https://r.openai.azure.com/openai/v1/",
            "https://r.openai.azure.com/openai/v1/chat/completions",
        ),
        ("hosted_vllm/x", None, None),
    ],
)
def test_url(model: str, base_url: str | None, url: str | None) -> None:
    """The address is the settings' or the usual one, and the path fits it."""
    provider, _, name = model.partition("/")
    assert chat_url(provider, name, access(base_url)) == url


def test_an_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable holds another address; the settings' still counts first."""
    monkeypatch.setenv("OPENAI_API_BASE", "http://env/v1")
    assert chat_url("openai", "x", access()) == "http://env/v1/chat/completions"
    assert chat_url("openai", "x", access("http://set/v1")) == "http://set/v1/chat/completions"
    monkeypatch.setenv("AZURE_API_VERSION", "2025-01-01")
    url = chat_url("azure", "d", access("https://r"))
    assert url is not None
    assert url.endswith("?api-version=2025-01-01")


def test_no_address() -> None:
    """Whoever has a server says where it is; until then it is said what to set."""
    assert "HOSTED_VLLM_API_BASE" in no_address("hosted_vllm")
    assert "base_url of 'custom_openai'" in no_address("custom_openai")


def test_headers() -> None:
    """The key goes where the provider looks for it; the settings' headers count last."""
    assert headers("groq", access(), None)["authorization"] == "Bearer secret"
    assert headers("azure", access(), None)["api-key"] == "secret"
    assert "authorization" not in headers("azure", access(), None)
    sent = headers("openai", access(**{"X-A": "settings"}), {"X-A": "agent", "X-B": "1"})
    assert (sent["x-a"], sent["x-b"]) == ("settings", "1")


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("openai/gpt-4o", {"max_tokens": 7}),
        ("openai/gpt-5-mini", {"max_completion_tokens": 7}),
        ("openai/o3", {"max_completion_tokens": 7}),
        ("groq/x", {"max_tokens": 7}),
    ],
)
def test_the_limit_of_an_answer(model: str, sent: dict[str, int]) -> None:
    """It is called what the model's provider calls it."""
    said = body(model, max_output_tokens=7)
    assert {name: said[name] for name in said if name.startswith("max_")} == sent


def test_renamed_settings() -> None:
    """A provider is told in its own words."""
    said = body("openrouter/a/b", reasoning_effort="low", extra_body={"verbosity": "low"})
    assert said["reasoning"] == {"effort": "low"}
    assert "reasoning_effort" not in said
    assert body("mistral/x", seed=1)["random_seed"] == 1
    assert "seed" not in body("mistral/x", seed=1)


def test_usage_is_asked_for() -> None:
    """Streams are asked to count, but where that is refused; OpenRouter is asked for the cost."""
    assert body("openai/x")["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body("mistral/x")
    assert body("openrouter/a/b")["usage"] == {"include": True}


def test_names_of_models() -> None:
    """Only the first `/` ends the provider's name; Fireworks' short names get their long form."""
    assert body("openrouter/a/b")["model"] == "a/b"
    assert body("fireworks_ai/x")["model"] == "accounts/fireworks/models/x"
    assert body("fireworks_ai/accounts/me/models/x")["model"] == "accounts/me/models/x"


def test_what_only_the_provider_knows() -> None:
    """`extra_body` stands in the body itself; headers do not."""
    said = body("openai/x", extra_body={"brand_new": 1}, extra_headers={"a": "b"})
    assert said["brand_new"] == 1
    assert not {"extra_body", "extra_headers"} & said.keys()


@pytest.mark.parametrize(
    ("model", "options", "direct"),
    [
        ("openai/gpt-5-mini", (), True),
        ("openai/gpt-5-mini", ("temperature", "extra_body"), True),
        ("openai/gpt-5-mini", ("drop_params",), False),
        ("azure/responses/x", (), False),
        ("azure/gpt-5.4", (), False),
        ("ollama/llama3", (), True),
        ("ollama/llama3", ("num_ctx",), False),
        ("deepseek/deepseek-chat", ("reasoning_effort",), False),
        ("anthropic/claude-sonnet-4-5", (), False),
        ("nobody/x", (), False),
    ],
)
def test_who_is_called_directly(model: str, options: tuple[str, ...], direct: bool) -> None:
    """A model is left to litellm with options that only that understands."""
    assert OpenAiHttpApi({}, 1).serves(model, options) is direct


@pytest.mark.parametrize(("login", "direct"), [(True, False), (False, True)])
def test_logins(monkeypatch: pytest.MonkeyPatch, login: bool, direct: bool) -> None:
    """Where a login stands for a key, litellm makes it."""
    for variable in NAMES["azure"].keys:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_CLIENT_ID" if login else "AZURE_API_KEY", "x")
    given = {"azure": Provider(base_url="https://r.openai.azure.com")}
    assert OpenAiHttpApi(given, 1).serves("azure/mine", ()) is direct
