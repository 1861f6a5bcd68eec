"""Each known provider gets the key that is its own, as litellm would choose it."""

import json
from contextlib import suppress

import pytest

from fakes import Request, fault
from outlast.providers import PROVIDERS
from outlast_worker.models.litellm import litellm_knows, load_litellm
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
def client() -> Client:
    """These tests are about litellm alone."""
    return "litellm"


# They need a model's name, an account or a second address that is theirs.
UNPLAYED = {"clarifai", "cometapi", "gradient_ai", "ragflow", "replicate"}
# Asked without our client, litellm leaves this one's connections open: no other test is to pay.
LEAKING = {"text-completion-openai"}
# Left alone, litellm sends these OpenAI's key, or none.
ASTRAY = {"ai21", "aiohttp_openai", "inception", "lemonade", "xinference"}
PLAYED = [name for name, known in PROVIDERS.items() if known.keys and name not in UNPLAYED | ASTRAY]
# Of each way in which litellm calls providers one, and those that it leads astray.
SAMPLE = [
    *sorted(ASTRAY),
    "anthropic",
    "azure",
    "cohere_chat",
    "gemini",
    "groq",
    "hosted_vllm",
    "huggingface",
    "mistral",
    "nano-gpt",
    "ollama_chat",
    "openai",
    "openrouter",
    "together_ai",
]
KEYS = {
    variable: f"secret of {variable}."
    for variable in sorted({each for known in PROVIDERS.values() for each in known.keys})
}


def keys_in(request: Request) -> set[str]:
    """Return the variables whose keys went along with a request."""
    sent = json.dumps([dict(request.headers), request.body])
    return {variable for variable, key in KEYS.items() if key in sent}


@pytest.fixture
def all_keys(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, key in KEYS.items():
        monkeypatch.setenv(variable, key)


@pytest.mark.usefixtures("all_keys")
@pytest.mark.parametrize("name", SAMPLE)
async def test_only_its_own_key(ask: Asker, name: str) -> None:
    """With every provider's key in the environment, an address gets its own provider's alone."""
    path = ask.server.play(f"/{name}", fault(400))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    await ask.fault(model=f"{name}/x", provider=provider, tools=[])
    [request] = ask.server.requests(path)
    ask.server.forget(path)
    assert keys_in(request) == {PROVIDERS[name].keys[0]}


@pytest.mark.parametrize("name", SAMPLE)
async def test_without_a_key(ask: Asker, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its own key, an address gets no other provider's."""
    own = {*PROVIDERS[name].keys, *PROVIDERS[name].instead}
    for variable in KEYS.keys() - own:
        monkeypatch.setenv(variable, KEYS[variable])
    path = ask.server.play(f"/{name}", fault(400))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    await ask.fault(model=f"{name}/x", provider=provider, tools=[])
    sent = {key for request in ask.server.requests(path) for key in keys_in(request)}
    ask.server.forget(path)
    assert sent == set()


@pytest.mark.usefixtures("all_keys")
@pytest.mark.parametrize("name", [name for name in PLAYED if name not in LEAKING])
async def test_litellm_agrees(ask: Asker, name: str) -> None:
    """litellm, left alone, takes the same variable for the provider's key."""
    path = ask.server.play(f"/{name}", fault(400))
    with suppress(Exception):  # whatever litellm makes of a 400
        await load_litellm().acompletion(
            model=f"{name}/x",
            messages=[{"role": "user", "content": "Hi."}],
            api_base=f"{ask.server.origin}{path}",
            num_retries=0,
            max_retries=0,
        )
    [request] = ask.server.requests(path)
    ask.server.forget(path)
    assert keys_in(request) == {PROVIDERS[name].keys[0]}


def test_all_are_known() -> None:
    """Each name is one of litellm's."""
    assert [name for name in PROVIDERS if not litellm_knows(name)] == []
