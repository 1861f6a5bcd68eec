"""What every `ProviderApi` gets from the client: it is chosen, timed, and its faults are told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import pytest

from fakes.records import model_call
from outlast.model_prices import ModelPrice
from outlast.protocol import Usage
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelFault, ModelOutcome, ModelRecord
from outlast_worker.models.answers import Answer
from outlast_worker.models.client import FailoverClient
from outlast_worker.models.faults import CallFailed, Symptoms
from outlast_worker.models.hearing import Hearing, Preview
from outlast_worker.models.keys import Access
from outlast_worker.models.prices import Prices
from outlast_worker.settings import Provider

HELLO = Answer("Hi.", [], "stop", "x", Usage(model_calls=1, cost_usd=0.0))
TWO_KEYS = Provider.model_validate(
    {"keys": [{"name": "a", "key": "secret-a"}, {"name": "b", "key": "secret-b"}]}
)


async def answer(_: Access) -> Answer:
    return HELLO


@dataclass
class Api:
    """A `ProviderApi` of its own."""

    provider: str | None = None
    answer: Callable[[Access], Awaitable[Answer]] = answer
    asked: list[Access] = field(default_factory=list[Access])
    loaded: bool = False
    closed: bool = False

    def serves(self, model: str, options: Iterable[str]) -> bool:
        return self.provider in (None, model.partition("/")[0])

    def knows(self, provider: str) -> bool:
        return True

    async def tells_cost(self, model: str) -> bool:
        return model.endswith("/told")

    async def load(self) -> None:
        self.loaded = True

    async def close(self) -> None:
        self.closed = True

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:
        self.asked.append(access)
        return await self.answer(access)


def no_preview() -> Preview:
    raise AssertionError("nothing is streamed here")


async def complete(
    *apis: Api, provider: Provider | None = None, timeout_s: float = 20
) -> ModelOutcome:
    call = model_call()
    providers = {"openai": provider or Provider(base_url="http://127.0.0.1:9")}
    return await FailoverClient(apis, providers, timeout_s).complete(call, no_preview)


async def test_the_first_that_serves() -> None:
    """A provider is called by the first API that serves it, and by no other."""
    elsewhere, own, general = Api("anthropic"), Api("openai"), Api()
    outcome = await complete(elsewhere, own, general)
    assert isinstance(outcome, ModelRecord)
    assert (len(elsewhere.asked), len(own.asked), len(general.asked)) == (0, 1, 0)


async def test_all_are_loaded() -> None:
    """Whatever takes long is got ready before the first call."""
    apis = Api("openai"), Api()
    await FailoverClient(apis, {}, 1).load()
    assert all(api.loaded for api in apis)


async def test_only_what_is_needed_is_loaded() -> None:
    """What no agent needs takes neither time nor memory."""
    needed, spare = Api("openai"), Api()
    await FailoverClient([needed, spare], {}, 1, [needed]).load()
    assert (needed.loaded, spare.loaded) == (True, False)


async def test_all_are_closed() -> None:
    """No connection outlives the worker."""
    apis = Api("openai"), Api()
    await FailoverClient(apis, {}, 1).close()
    assert all(api.closed for api in apis)


async def test_one_deadline_for_all_keys() -> None:
    """The second key has the time that the first one left, not a time of its own."""

    async def limited_then_silent(_: Access) -> Answer:
        if len(api.asked) == 1:
            await asyncio.sleep(0.8)
            raise CallFailed(Symptoms("slow down", status=429, retry_after_s=5))
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    api = Api(answer=limited_then_silent)
    begun = asyncio.get_running_loop().time()
    outcome = await complete(api, provider=TWO_KEYS, timeout_s=1)
    assert asyncio.get_running_loop().time() - begun < 1.7
    assert isinstance(outcome, ModelFault)
    assert outcome.error.type == "model-unavailable"
    assert [access.key_name for access in api.asked] in (["a", "b"], ["b", "a"])


async def test_the_shortest_wait_of_several_keys() -> None:
    """With all keys at their limits, the run waits for the one that is free first."""

    async def limited(access: Access) -> Answer:
        waits_s = {"a": 30.0, "b": 5.0}
        raise CallFailed(
            Symptoms("slow down", status=429, retry_after_s=waits_s[access.key_name or ""])
        )

    outcome = await complete(Api(answer=limited), provider=TWO_KEYS)
    assert isinstance(outcome, ModelFault)
    assert outcome.retry_after_s == 5.0


async def test_a_malformed_answer() -> None:
    """An answer that is not whole is a fault, and no other key is tried for it."""

    async def cut(_: Access) -> Answer:
        return Answer("Hi", [], "", "x", Usage(model_calls=1, cost_usd=0.0))

    api = Api(answer=cut)
    outcome = await complete(api, provider=TWO_KEYS)
    assert isinstance(outcome, ModelFault)
    assert outcome.error.type == "model-malformed"
    assert len(api.asked) == 1


async def test_what_an_api_says_is_masked() -> None:
    """No API has to think of secrets: what it tells is shown without them."""

    async def quote(access: Access) -> Answer:
        raise CallFailed(Symptoms(f"{access.api_key} is wrong", status=400))

    outcome = await complete(Api(answer=quote), provider=TWO_KEYS)
    assert isinstance(outcome, ModelFault)
    assert outcome.error.message == "*** is wrong"


async def test_a_bug_of_an_api() -> None:
    """What an API does not classify is not taken for the provider's fault."""

    async def stumble(_: Access) -> Answer:
        raise LookupError("a bug")

    with pytest.raises(LookupError):
        await complete(Api(answer=stumble))


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("openai/gpt-5.4-mini", True),
        ("ours/given", True),
        ("ours/told", True),
        ("ours/unknown", False),
    ],
)
async def test_known_prices(model: str, known: bool) -> None:
    """A price is known by the setting, by our list, or if answers say what they cost."""
    prices = Prices({"ours/given": ModelPrice(input=1, output=1)})
    client = FailoverClient([Api()], {}, 1, prices=prices)
    assert await client.knows_price(model) is known
