"""Where Anthropic's Messages are asked for, with which key, and who is asked so."""

import pytest

from fakes.messages_wire import streamed, text
from outlast import ModelSettings
from outlast_worker.models.anthropic_http.address import headers, is_anthropics, messages_url
from outlast_worker.models.anthropic_http.api import AnthropicHttpApi
from outlast_worker.models.apis import make_apis
from outlast_worker.models.keys import Access
from outlast_worker.models.litellm import LitellmApi
from outlast_worker.settings import Provider
from unit.worker.models.anthropic_http.conftest import MODEL, Messenger


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own variables count for nothing here."""
    for name in ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def access(key: str | None = "secret", **sent: str) -> Access:
    return Access(None, {name.replace("_", "-"): value for name, value in sent.items()}, key, None)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("http://h:1", "http://h:1/v1/messages"),
        ("http://h/anthropic/", "http://h/anthropic/v1/messages"),
        ("http://h/v1", "http://h/v1/messages"),
        ("http://h/v1/messages", "http://h/v1/messages"),
        ("http://h/odd/messages", "http://h/odd/messages"),
    ],
)
def test_url(base_url: str | None, url: str) -> None:
    """An address may have the path, or only its beginning."""
    assert messages_url(base_url) == url


def test_an_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable holds another address; the settings' still counts first."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://env")
    assert messages_url(None) == "http://env/v1/messages"
    assert messages_url("http://set") == "http://set/v1/messages"


def test_whose_server() -> None:
    """Only Anthropic's own is known to hold models to schemas."""
    assert is_anthropics("api.anthropic.com")
    assert not any(is_anthropics(host) for host in ("127.0.0.1", "notanthropic.com", None))


def test_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, a token of somebody who has signed in, or one of the environment."""
    plain = headers(access(), None, ())
    assert (plain["x-api-key"], plain["anthropic-version"]) == ("secret", "2023-06-01")
    assert "authorization" not in plain
    signed_in = headers(access("sk-ant-oat01-x"), None, ())
    assert signed_in["authorization"] == "Bearer sk-ant-oat01-x"
    assert signed_in["anthropic-beta"] == "oauth-2025-04-20"
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token\n")
    assert headers(access(None), None, ())["authorization"] == "Bearer token"


def test_a_header_instead_of_a_key() -> None:
    """The settings may hold a login, beside which no key is sent."""
    sent = headers(access(Authorization="Bearer mine"), None, ())
    assert sent["authorization"] == "Bearer mine"
    assert "x-api-key" not in sent


def test_betas() -> None:
    """What the settings, the agent and its options ask for is asked for once."""
    extra = {"Anthropic-Beta": "b, c", "x-team": "agent"}
    sent = headers(access(anthropic_beta="a,b", x_team="shop"), extra, ("d",))
    assert sent["anthropic-beta"] == "d,b,c,a"
    assert sent["x-team"] == "shop"


async def test_a_login_without_keys(messages: Messenger) -> None:
    """A provider whose settings hold a login needs no key."""
    made = {"headers": {"Authorization": "Bearer mine"}, "base_url": messages.url}
    await messages.answer(streamed(text("Hi.")), provider=Provider.model_validate(made))
    [request] = messages.ask.server.requests(messages.path)
    assert request.headers["authorization"] == "Bearer mine"


async def test_betas_are_no_part_of_the_body(messages: Messenger) -> None:
    """As an option they become the header."""
    settings = ModelSettings(extra_body={"anthropic_beta": ["x", "y"], "brand_new": 1})
    await messages.answer(streamed(text("Hi.")), settings=settings)
    [request] = messages.ask.server.requests(messages.path)
    assert request.headers["anthropic-beta"] == "x,y"
    assert "anthropic_beta" not in request.body
    assert request.body["brand_new"] == 1


@pytest.mark.parametrize(
    ("model", "options", "direct"),
    [
        (MODEL, (), True),
        (MODEL, ("temperature", "reasoning_effort", "thinking", "top_k"), True),
        ("anthropic/glm-5", (), True),
        (MODEL, ("drop_params",), False),
        (MODEL, ("response_format",), False),
        (MODEL, ("mcp_servers",), False),
        (MODEL, ("speed",), False),
        ("bedrock/anthropic.claude-sonnet-4-5", (), False),
    ],
)
def test_who_is_called_directly(model: str, options: tuple[str, ...], direct: bool) -> None:
    """A model is left to litellm with options that only that understands."""
    assert AnthropicHttpApi(1).serves(model, options) is direct


def test_litellm_alone() -> None:
    """The setting still has all models called through litellm."""
    [api] = make_apis("litellm", {}, 1, 1)
    assert isinstance(api, LitellmApi)
    first = next(api for api in make_apis("auto", {}, 1, 1) if api.serves(MODEL, ()))
    assert isinstance(first, AnthropicHttpApi)
