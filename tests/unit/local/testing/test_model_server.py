"""The scripted model over HTTP: what a script means there is what it means in memory."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, get_args

import pytest

from fakes.records import NOON, model_call, pin
from outlast_local.testing.model_server import ModelServer
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import ModelFault, ModelOutcome, ModelRecord, StoredMessage
from outlast_worker.models.client import FailoverClient
from outlast_worker.models.litellm import LitellmApi, load_litellm
from outlast_worker.settings import Provider, ProviderKey
from outlast_worker.testing.live_recorder import LiveRecorder
from outlast_worker.testing.script import FaultKind, Scripted, call, calls, fault, raw_call, text
from outlast_worker.testing.scripted_model import ScriptedApi

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = [
    pytest.mark.usefixtures("connections"),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as serving:
        yield serving


@pytest.fixture
async def connections() -> AsyncIterator[None]:
    litellm = load_litellm()  # outside of any call's time
    yield
    await litellm.close_litellm_async_clients()


def message(role: Any, content: str) -> StoredMessage:
    return StoredMessage(id="m", role=role, content=content, run_id="r", created_at=NOON)


def asked(*messages: StoredMessage, stream: bool = False) -> ModelCall:
    return model_call(pin("refund"), messages=messages, stream=stream)


async def over_http(server: ModelServer, question: ModelCall) -> ModelOutcome:
    key: Any = "sk-scripted"
    provider = Provider(base_url=server.url, keys=[ProviderKey(name="k", key=key)])
    client = FailoverClient([LitellmApi(90, 90)], {"openai": provider}, 90)
    return await client.complete(question, lambda: LiveRecorder("r").preview(1))


async def in_memory(script: Sequence[Scripted], question: ModelCall) -> ModelOutcome:
    key: Any = "sk-scripted"
    provider = Provider(keys=[ProviderKey(name="k", key=key)])
    client = FailoverClient([ScriptedApi(script)], {"openai": provider}, 20)
    return await client.complete(question, lambda: LiveRecorder("r").preview(1))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", get_args(FaultKind))
async def test_faults(server: ModelServer, kind: FaultKind, stream: bool) -> None:
    """A fault means the same, and is repeated alike, in memory and over HTTP."""
    scripted = fault(kind, retry_after_s=7)
    question = asked(message("user", kind), stream=stream)
    server.script(kind, [scripted])
    real, played = await over_http(server, question), await in_memory([scripted], question)
    assert isinstance(real, ModelFault)
    assert isinstance(played, ModelFault)
    assert (real.error.type, real.error.retryable) == (played.error.type, played.error.retryable)
    if kind == "malformed":  # tried again at once, whatever a provider says
        assert (real.retry_after_s is None) == (played.retry_after_s is None)
    else:
        assert real.retry_after_s == played.retry_after_s


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    "scripted",
    [
        text("It is done, mostly."),
        text("Once upon", finish_reason="length"),
        text("Yes.", reasoning="Hm."),
        call("refund", order_id="A-1", cents=5),
        calls(call("refund", cents=5), call("refund", cents=6), text="Both."),
        raw_call("refund", '{"cents": "many"}'),
    ],
    ids=str,
)
async def test_answers(server: ModelServer, scripted: Scripted, stream: bool) -> None:
    """An answer is the same record in memory and over HTTP, whole or in pieces."""
    said = f"answer {scripted} {stream}"
    question = asked(message("user", said), stream=stream)
    server.script(said, [scripted])
    real, played = await over_http(server, question), await in_memory([scripted], question)
    assert isinstance(real, ModelRecord)
    assert isinstance(played, ModelRecord)
    same = {"text", "calls", "finish_reason"}
    assert real.model_dump(include=same) == played.model_dump(include=same)
    assert server.problem(said) is None


async def test_turns(server: ModelServer) -> None:
    """Answers go by turn, so a repeated request gets its own one again; faults come once."""
    server.script("turns", [call("refund", cents=5), fault("unavailable"), text("Done.")])
    first = asked(message("user", "old"), message("user", "turns"))
    later = asked(*first.messages, message("assistant", "…"), message("user", "Hurry!"))
    outcomes = [await over_http(server, question) for question in (first, first, later, later)]
    assert [type(outcome) for outcome in outcomes] == [
        *(ModelRecord, ModelRecord, ModelFault, ModelRecord)
    ]
    again = await over_http(server, later)
    assert isinstance(again, ModelRecord)
    assert again.text == "Done."
    assert server.problem("turns") is None


async def test_scripts_that_do_not_fit(server: ModelServer) -> None:
    """What is missing, and what is spare, is told."""
    server.script("short", [text("Hi.")])
    turn_2 = asked(message("user", "short"), message("assistant", "Hi."))
    outcome = await over_http(server, turn_2)
    assert isinstance(outcome, ModelFault)
    assert outcome.error.type == "model-rejected"
    assert server.problem("short") == "the model is asked in turn 2, and `model=[…]` has 1 answers."
    server.script("long", [text("Hi."), text("Bye.")])
    await over_http(server, asked(message("user", "long")))
    told = server.problem("long")
    assert told == "of `model=[…]` this was not asked for in turn 2: text('Bye.')."
    unknown = await over_http(server, asked(message("user", "who?")))
    assert isinstance(unknown, ModelFault)
    assert "No script is for what the user says here" in unknown.error.message
