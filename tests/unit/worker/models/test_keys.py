"""Several keys for one provider: which is tried when, and that none ever shows."""

import random
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import Single, attempts, fault, text
from outlast_local.demo_model.openai_wire import error
from outlast_worker.engine.records import ModelFault, ModelRecord
from outlast_worker.models.keys import accesses
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

QUOTA = error(
    "You exceeded your current quota.", type_="insufficient_quota", code="insufficient_quota"
)
WRONG = error(
    "Incorrect API key provided: KEY.", type_="invalid_request_error", code="invalid_api_key"
)


def provider_with(ask: Asker, *names: str, **more: Any) -> Provider:
    keys = [{"name": name, "key": f"secret-{name}"} for name in names]
    return Provider.model_validate({"base_url": ask.server.url, "keys": keys, **more})


def keys_used(ask: Asker) -> list[str]:
    return [
        request.headers["authorization"].removeprefix("Bearer secret-")
        for request in ask.server.requests(ask.key)
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "refusal",
    [fault(401, WRONG), fault(403), fault(429), fault(429, QUOTA)],
    ids=["401", "403", "429", "quota"],
)
async def test_failover(ask: Asker, refusal: Single, stream: bool) -> None:
    """When one key is refused, or at its limit, the others are tried, each once."""
    step = attempts(refusal, refusal, text("Hi."))
    got = await ask.answer(step, provider=provider_with(ask, "a", "b", "c"), stream=stream)
    assert got.text == "Hi."
    assert sorted(keys_used(ask)) == ["a", "b", "c"]


async def test_white_space_around_a_key(ask: Asker) -> None:
    """A line break that a file or a secret store left at a key's end is not sent."""
    got = await ask.answer(text("Hi."), provider=provider_with(ask, "a\n"))
    assert got.text == "Hi."
    assert keys_used(ask) == ["a"]


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_no_failover(ask: Asker, status: int) -> None:
    """What another key can't mend is not tried with one."""
    await ask.fault(fault(status), provider=provider_with(ask, "a", "b"))
    assert ask.requests == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_all_keys_fail(ask: Asker, order: tuple[int, int]) -> None:
    """With one key refused and one at its limit, waiting helps: that error counts."""
    each = (fault(401, WRONG), fault(429, headers={"retry-after": "4"}))
    step = attempts(*(each[index] for index in order))
    outcome = await ask.fault(step, provider=provider_with(ask, "a", "b"))
    assert (outcome.error.type, outcome.retry_after_s) == ("model-unavailable", 4.0)
    assert ask.requests == 2


async def test_all_keys_are_refused(ask: Asker) -> None:
    """With every key refused the error says where keys are set."""
    outcome = await ask.fault(fault(401, WRONG), provider=provider_with(ask, "a", "b"))
    assert (outcome.error.type, outcome.retry_after_s) == ("model-auth", None)
    assert "OPENAI_API_KEY" in outcome.error.message
    assert "WORKER_PROVIDERS" in outcome.error.message


@pytest.mark.parametrize("called", ["openai/x", "anthropic/claude-sonnet-4-5", "gemini/flash"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_no_key_at_all(ask: Asker, called: str, stream: bool) -> None:
    """Without a key nothing is sent, and the error names the variable to set."""
    outcome = await ask.fault(model=called, stream=stream, provider=Provider())
    assert (outcome.error.type, outcome.error.retryable) == ("model-auth", False)
    assert outcome.retry_after_s is None
    assert f"There is no API key for {called}" in outcome.error.message
    assert f"{called.partition('/')[0].upper()}_API_KEY" in outcome.error.message


async def test_key_of_the_environment(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual variables work without any setting of ours."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", ask.server.url)
    await ask.answer(text("Hi."), provider=Provider())
    assert keys_used(ask) == ["environment"]


async def test_key_of_the_environment_at_another_address(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They work with an address of one's own, too."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-environment")
    await ask.answer(text("Hi."), provider=Provider(base_url=ask.server.url))
    assert keys_used(ask) == ["environment"]


async def test_keys_of_the_settings_win(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys in the settings the environment's is not even the last resort."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-environment")
    outcome = await ask(fault(401, WRONG), provider=provider_with(ask, "a"))
    assert isinstance(outcome, ModelFault)
    assert keys_used(ask) == ["a"]


async def test_an_empty_variable(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that nobody filled in holds no key."""
    monkeypatch.setenv("OPENAI_API_KEY", "")
    outcome = await ask.fault(model="openai/x", provider=Provider())
    assert "Set OPENAI_API_KEY" in outcome.error.message


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_no_secret_shows(ask: Asker, status: int) -> None:
    """A provider that quotes keys and headers puts none into an error or a log."""
    quoted = error("quoted: key secret-a and team secret-header", type_="x", code="y")
    provider = provider_with(ask, "a", headers={"x-team": "secret-header"})
    with capture_logs() as logs:
        outcome = await ask.fault(fault(status, quoted), provider=provider)
    assert logs[0]["event"] == "model_call_failed"
    assert logs[0]["key"] == "a"
    assert logs[0]["status"] == status
    assert "y" in logs[0]["code"].split()
    assert "quoted" not in repr(logs)
    assert "secret-" not in outcome.model_dump_json() + repr(logs)


async def test_no_key_of_the_environment_shows(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a key that only the environment knows."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", ask.server.url)
    quoted = error("key secret-environment", type_="x", code="y")
    outcome = await ask.fault(fault(400, quoted), provider=Provider())
    assert outcome.error.message == "key ***"


async def test_no_part_of_a_secret_shows(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where the text is cut, not without the scheme, and not from another variable."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-cloud")
    padding = "x" * 480
    quoted = error(f"secret-of-the-cloud secret-token {padding} secret-a", type_="x", code="y")
    headers = {"authorization": "Bearer secret-token"}
    provider = provider_with(ask, "a", headers=headers)
    outcome = await ask.fault(fault(400, quoted), provider=provider)
    assert outcome.error.message == f"*** *** {padding} ***"[:500]


async def test_a_working_key_is_not_logged(ask: Asker) -> None:
    """A call that works logs nothing at all."""
    with capture_logs() as logs:
        assert isinstance(await ask(text("Hi."), provider=provider_with(ask, "a")), ModelRecord)
    assert logs == []


def test_weights() -> None:
    """A key that weighs three times as much comes first three times as often."""
    keys = [{"name": "heavy", "key": "k", "weight": 3}, {"name": "light", "key": "k"}]
    provider = Provider.model_validate({"keys": keys})
    random.seed(7)
    drawn = [[access.key_name for access in accesses("openai", provider)] for _ in range(4000)]
    assert {frozenset(order) for order in drawn} == {frozenset({"heavy", "light"})}
    assert 0.72 < Counter(first for first, _ in drawn)["heavy"] / 4000 < 0.78


@pytest.mark.parametrize(
    ("headers", "ways"), [({"Authorization": "Bearer x"}, 1), ({"x-a": "b"}, 0)]
)
def test_a_login_in_the_headers(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], ways: int
) -> None:
    """It stands in for a key, at the provider's usual address, too."""
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    provider = Provider.model_validate({"headers": headers})
    assert len(accesses("anthropic", provider)) == ways
