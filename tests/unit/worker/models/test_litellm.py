"""What is litellm's own: formats of other providers, prices, its slow import."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import fault, raw, text
from outlast import ModelSettings
from outlast_worker.engine.records import ModelFault, ModelRecord
from outlast_worker.models.fitting import warn_left_out
from outlast_worker.models.litellm import load_litellm
from outlast_worker.models.litellm_options import ARGUMENTS
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
def client() -> Client:
    """These tests are about litellm alone."""
    return "litellm"


both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


GEMINI = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
}


@both_ways
async def test_gemini(ask: Asker, stream: bool) -> None:
    """Gemini is never streamed: litellm hides whether its streams were whole."""
    path = ask.server.play(f"/gemini/{stream}", fault(200, GEMINI))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    outcome = await ask(model="gemini/gemini-2.5-flash", stream=stream, provider=provider)
    assert isinstance(outcome, ModelRecord), outcome
    assert (outcome.text, outcome.finish_reason, outcome.usage.input_tokens) == ("Hi.", "stop", 3)
    [request] = ask.server.requests(path)
    assert request.path.endswith(":generateContent")
    ask.server.forget(path)


ANTHROPIC = {
    "message_start": {
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 10, "output_tokens": 1},
        }
    },
    "content_block_start": {"index": 0, "content_block": {"type": "text", "text": ""}},
    "content_block_delta": {"index": 0, "delta": {"type": "text_delta", "text": "Hi."}},
    "content_block_stop": {"index": 0},
    "message_delta": {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    "message_stop": {},
}


@pytest.mark.parametrize("sent", range(1, len(ANTHROPIC) + 1))
async def test_anthropic_stream(ask: Asker, sent: int) -> None:
    """A stream of Anthropic's is whole once its stop reason came, and malformed before that."""
    events = list(ANTHROPIC.items())[:sent]
    body = "".join(
        f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events
    )
    path = ask.server.play(f"/anthropic/{sent}", raw(body.encode()))
    outcome = await ask(
        model="anthropic/claude-sonnet-4-5",
        stream=True,
        provider=Provider(base_url=f"{ask.server.origin}{path}"),
    )
    if "message_delta" in dict(events):
        assert isinstance(outcome, ModelRecord), outcome
        assert (outcome.text, outcome.finish_reason) == ("Hi.", "stop")
        assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (10, 5)
    else:
        assert isinstance(outcome, ModelFault)
        assert outcome.error.type == "model-malformed"
    ask.server.forget(path)


@both_ways
async def test_unknown_price(ask: Asker, stream: bool) -> None:
    """A model without a known price costs an unknown amount, and not nothing."""
    got = await ask.answer(text("Hi."), model="openai/no-such-model", stream=stream)
    assert got.usage.cost_usd is None
    assert got.usage.model_calls == 1


async def test_an_answer_that_can_not_be_assembled(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no library can make an answer of is malformed: tried again, but not for ten minutes."""

    def refuse(_: object) -> None:
        raise KeyError("choices")

    monkeypatch.setattr(load_litellm(), "stream_chunk_builder", refuse)
    outcome = await ask.fault(text("Hi."))
    assert (outcome.error.type, outcome.error.message) == (
        "model-malformed",
        "The model's answer can't be read.",
    )


LOADED = """
import asyncio, sys
from outlast import Agent
from outlast.registry import Registry
from outlast_worker.main import make_dependencies
from outlast_worker.settings import WorkerSettings

agents = Registry([Agent(name="desk", instructions="Help.", model=sys.argv[1])], "openai/x")
asyncio.run(make_dependencies(WorkerSettings(_env_file=None), agents).model.load())
print("litellm" in sys.modules)
"""


@pytest.mark.parametrize(
    ("model", "chosen", "loaded"),
    [
        ("openai/gpt-5-mini", "auto", "False"),
        ("openai/gpt-5-mini", "litellm", "True"),
        ("anthropic/claude-sonnet-4-5", "auto", "False"),
        ("anthropic/claude-sonnet-4-5", "litellm", "True"),
        ("gemini/gemini-2.5-flash", "auto", "True"),
    ],
)
def test_it_is_loaded_when_an_agent_needs_it(
    tmp_path: Path, model: str, chosen: str, loaded: str
) -> None:
    """It takes seconds and a hundred megabytes, which no agent pays that is called directly."""
    (tmp_path / "litellm.py").touch()  # in its place, so that no test pays it either
    command = [sys.executable, "-c", LOADED, model]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "WORKER_MODEL_CLIENT": chosen}
    done = subprocess.run(
        command, check=True, timeout=60, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert done.stdout.split()[-1] == loaded


def test_its_own_arguments() -> None:
    """What litellm translates for some provider reaches it as such, out of `extra_body` too."""
    ours = set(load_litellm().constants.OPENAI_CHAT_COMPLETION_PARAMS)
    of_the_worker = {
        "api_base",
        "api_key",
        "base_url",
        "default_headers",
        "max_retries",
        "request_timeout",
        "stream",
        "stream_options",
        "timeout",
        "tools",
    }
    assert ours - ARGUMENTS == of_the_worker


async def test_what_a_provider_has_no_parameter_for(ask: Asker) -> None:
    """A setting that litellm would refuse the call for is left out, with one warning."""
    warn_left_out.cache_clear()
    path = ask.server.play("/left-out", fault(400))
    provider = Provider(base_url=f"{ask.server.origin}{path}")
    asked: dict[str, Any] = {
        "model": "cohere/command-r",
        "provider": provider,
        "settings": ModelSettings(reasoning_effort="low", seed=7),
    }
    with capture_logs() as logs:
        await ask.fault(**asked)
        await ask.fault(**asked)
    told = [log for log in logs if log["event"] == "model_setting_left_out"]
    assert [(log["model"], log["setting"]) for log in told] == [
        ("cohere/command-r", "reasoning_effort")
    ]
    bodies = [request.body for request in ask.server.requests(path)]
    assert [(body["seed"], "reasoning_effort" in body) for body in bodies] == [(7, False)] * 2
    ask.server.forget(path)
