"""Who may be told by webhooks, and with which secrets: the settings `WEBHOOK_*`."""

import base64
import json

import pytest
from pydantic import ValidationError

from outlast.protocol import StartRun, from_client
from outlast.settings import SharedSettings
from outlast.settings_errors import InvalidSettings, check_settings
from outlast.webhooks import Destination, WebhookPolicy, parse_destination


def secret(first: int) -> str:
    key = bytes(range(first, first + 32))
    return f"whsec_{base64.b64encode(key).decode()}"


@pytest.fixture(autouse=True)
def agents(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("AGENTS", "desk")
    monkeypatch.chdir(str(tmp_path))


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> WebhookPolicy:
    monkeypatch.setenv("WEBHOOK_HOSTS", "hooks.example.org, *.Example.com,odd.example:8443")
    monkeypatch.setenv("WEBHOOK_PRIVATE_HOSTS", "hooks.internal:8000,[::1]:9000")
    secrets = {"main": secret(0), "both": [secret(1), secret(2)], "acme/main": secret(3)}
    monkeypatch.setenv("WEBHOOK_SECRETS", json.dumps(secrets))
    return SharedSettings().webhook_policy()


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org",
        "https://hooks.example.org/",
        "https://HOOKS.example.org:443/a?b=c@d",
        "https://hooks.example.org./x",
        "https://a.example.com/x",
        "https://a.b.example.com/x",
        "https://odd.example:8443/x",
        "http://hooks.internal:8000/x",
        "https://hooks.internal:8000/x",
        "http://[0::1]:9000/x",
    ],
)
def test_who_may_be_told(policy: WebhookPolicy, url: str) -> None:
    assert policy.fault_of(url) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://hooks.example.org/", "must begin with https:"),
        ("https://hooks.example.org:8443/", "is not in WEBHOOK_HOSTS"),
        ("https://example.com/", "is not in WEBHOOK_HOSTS"),
        ("https://evilexample.com/", "is not in WEBHOOK_HOSTS"),
        ("https://hooks.example.org.evil.example/", "is not in WEBHOOK_HOSTS"),
        ("https://odd.example/", "is not in WEBHOOK_HOSTS"),
        ("http://hooks.internal:8001/", "must begin with https:"),
        ("https://169.254.169.254/", "is not in WEBHOOK_HOSTS"),
        ("https://hooks.example.org@evil.example/", "write an address"),
        ("https://user:pw@hooks.example.org/", "write an address"),
        ("https://evil.example\\@hooks.example.org/", "write an address"),
        ("https://evil.example#@hooks.example.org/", "write an address"),
        ("https://hooks.example.org/#x", "write an address"),
        ("https://hooks.example.org/\\x", "write an address"),
        ("https://hooks.example.org/ x", "write an address"),
        ("https://hooks.example.org/\r\nx: y", "write an address"),
        ("https://hööks.example/", "write an address"),
        ("https://hooks.example.org:0/", "write an address"),
        ("https://hooks.example.org:99999/", "write an address"),
        ("https:///hooks.example.org", "write an address"),
        ("ftp://hooks.example.org/", "write an address"),
        ("hooks.example.org", "write an address"),
    ],
)
def test_who_may_not_be_told(policy: WebhookPolicy, url: str, fault: str) -> None:
    """Names are compared whole, and what is read differently by others is not read at all."""
    assert fault in (policy.fault_of(url) or "")


def test_nobody_without_settings() -> None:
    """Webhooks are off until an operator says who may be told."""
    fault = SharedSettings().webhook_policy().fault_of("https://hooks.example.org/")
    assert "an operator names their hosts in WEBHOOK_HOSTS" in (fault or "")


def test_a_destination() -> None:
    assert parse_destination("HTTP://[::1]:80/x") == Destination("http", "::1", 80)
    assert parse_destination("https://a.example") == Destination("https", "a.example", 443)


def test_secrets(policy: WebhookPolicy) -> None:
    """A tenant's own come first; of several all sign, in their order."""
    assert policy.keys("acme", "main") == [bytes(range(3, 35))]
    assert policy.keys("other", "main") == [bytes(range(32))]
    assert policy.keys("acme", "both") == [bytes(range(1, 33)), bytes(range(2, 34))]
    assert policy.keys("other", "acme/main") == [bytes(range(3, 35))]  # refused at the door
    assert policy.keys("acme", "none") == []


def test_a_secret_of_another_tenant() -> None:
    """A client can't name it: no name has a slash."""
    with pytest.raises(ValidationError, match="secret"):
        from_client(StartRun, {"input": "x", "webhooks": [{"url": "x", "secret": "acme/main"}]})


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("WEBHOOK_SECRETS", '{"main": "secret-1"}', "must be whsec_ and 24 to 64 random bytes"),
        ("WEBHOOK_SECRETS", '{"main": "whsec_c2VjcmV0LTE="}', "must be whsec_ and 24 to 64"),
        ("WEBHOOK_SECRETS", f'{{"a/b/c": "{secret(0)}"}}', "must be called by letters"),
        ("WEBHOOK_SECRETS", '{"main": []}', "must have at least one secret"),
        ("WEBHOOK_SECRETS", "secret-1", "is no JSON"),
        ("WEBHOOK_HOSTS", "https://hooks.example.org", "must be hosts such as hooks.example.org"),
        ("WEBHOOK_HOSTS", "*", "must be hosts such as hooks.example.org"),
        ("WEBHOOK_PRIVATE_HOSTS", "hooks.internal", "must be hosts with their ports"),
    ],
)
def test_settings_that_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    """They are refused at start, with what to write, and without what was written."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings) as refused:
        check_settings(SharedSettings)
    assert variable in str(refused.value)
    assert line in str(refused.value)
    assert "secret-1" not in str(refused.value)
    assert secret(0) not in str(refused.value)


def test_secrets_are_not_shown(policy: WebhookPolicy) -> None:
    shown = f"{SharedSettings()!r} {SharedSettings().model_dump_json()} {policy!r}"
    assert secret(0) not in shown
