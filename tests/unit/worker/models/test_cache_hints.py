"""What providers are told of prompts to come: the beginning that stays is marked, nothing else."""

import json
from typing import Any

import pytest

from fakes import fault
from fakes.records import NOON, model_call, pin
from outlast import ModelSettings
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import StoredMessage
from outlast_worker.models.cache_hints import hint_messages
from outlast_worker.models.chat_format import wire_messages
from outlast_worker.models.openai_http.request import chat_body
from outlast_worker.models.openai_http.responses_request import responses_body
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
CLAUDE = "anthropic/claude-sonnet-4-5"
HINT = {"type": "ephemeral"}


def said(role: str, content: Any, **more: Any) -> StoredMessage:
    fields = {"id": "1", "role": role, "content": content, "run_id": "r", "created_at": NOON}
    return StoredMessage.model_validate({**fields, **more})


QUESTION = said("user", "Refund it.")
CALLS = said("assistant", "", tool_calls=[{"call_id": "1.0", "name": "refund", "arguments": {}}])
RESULT = said("tool", "{}", call_id="1.0")


def hinted(*messages: StoredMessage, model: str = CLAUDE, **more: Any) -> list[int]:
    """Return which messages are marked, by their position."""
    call = model_call(more.pop("pinned", pin()), model=model, messages=messages, **more)
    sent = hint_messages(call, wire_messages(call))
    return [n for n, message in enumerate(sent) if "cache_control" in json.dumps(message)]


@pytest.mark.parametrize("model", [CLAUDE, "vertex_ai/claude-sonnet-4-5@20250929"])
def test_a_conversation(model: str) -> None:
    """Instructions and the last message are marked, and what the call before had marked."""
    assert hinted(QUESTION, CALLS, RESULT, model=model) == [0, 1, 3]
    assert hinted(QUESTION, said("assistant", "Done."), QUESTION, model=model) == [0, 1, 3]
    assert hinted(QUESTION, CALLS, RESULT, CALLS, RESULT, model=model) == [0, 3, 5]


def test_the_first_question() -> None:
    """With tools it will be said again; without any only the instructions may be."""
    assert hinted(QUESTION, pinned=pin("refund")) == [0, 1]
    assert hinted(QUESTION) == [0]


def test_parts() -> None:
    """Of a message in parts the last one is marked."""
    parts = [{"type": "text", "text": "See:"}, {"type": "image", "url": "https://x/y.png"}]
    call = model_call(pin("refund"), model=CLAUDE, messages=[said("user", parts)])
    last = hint_messages(call, wire_messages(call))[-1]
    assert ["cache_control" in part for part in last["content"]] == [False, True]


def test_openrouter() -> None:
    """It takes marks on parts, and none in results."""
    call = model_call(
        pin("refund"),
        model="openrouter/anthropic/claude-sonnet-4.5",
        messages=[QUESTION, CALLS, RESULT],
    )
    sent = json.loads(chat_body(call, "openrouter.ai"))["messages"]
    part = {"type": "text", "text": "Refund it.", "cache_control": HINT}
    assert sent[1] == {"role": "user", "content": [part]}
    assert sent[0]["content"][0]["cache_control"] == HINT
    assert sent[3]["content"] == "{}"


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("openai/gpt-5-mini", ModelSettings()),
        ("openrouter/openai/gpt-5", ModelSettings()),
        ("gemini/gemini-2.5-flash", ModelSettings()),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", ModelSettings()),
        (CLAUDE, ModelSettings(cache_prompt=False)),
    ],
)
def test_who_is_not_told(model: str, settings: ModelSettings) -> None:
    """Others find out by themselves, or would refuse it; and an agent may not want it."""
    assert hinted(QUESTION, CALLS, RESULT, model=model, settings=settings) == []


class TestOpenAi:
    def call(self, **more: Any) -> ModelCall:
        return model_call(cache_key="c0ffee", messages=[QUESTION], **more)

    @pytest.mark.parametrize("body", [chat_body, responses_body])
    def test_name(self, body: Any) -> None:
        """OpenAI itself gets the conversation's name, and no other server does."""
        call = self.call()
        assert json.loads(body(call, "api.openai.com"))["prompt_cache_key"] == "c0ffee"
        assert json.loads(body(call, "eu.api.openai.com"))["prompt_cache_key"] == "c0ffee"
        for host in ("127.0.0.1", "notapi.openai.com", None):
            assert "prompt_cache_key" not in json.loads(body(call, host))

    def test_of_ones_own(self) -> None:
        """An agent may give another name, or none."""
        own = self.call(settings=ModelSettings(extra_body={"prompt_cache_key": "mine"}))
        assert json.loads(chat_body(own, "api.openai.com"))["prompt_cache_key"] == "mine"
        assert json.loads(responses_body(own, "api.openai.com"))["prompt_cache_key"] == "mine"
        none = self.call(settings=ModelSettings(cache_prompt=False))
        assert "prompt_cache_key" not in json.loads(chat_body(none, "api.openai.com"))


class TestOnTheWire:
    async def test_anthropic(self, ask: Asker) -> None:
        """The marks are where Anthropic looks for them, and no more than it takes."""
        path = ask.server.play("/cache", fault(400))
        provider = Provider(base_url=f"{ask.server.origin}{path}")
        await ask.fault(model=CLAUDE, provider=provider, history=[QUESTION, CALLS, RESULT])
        await ask.fault(model=CLAUDE, provider=provider, history=[QUESTION])
        bodies = [request.body for request in ask.server.requests(path)]
        ask.server.forget(path)
        for body, marks in zip(bodies, (3, 2), strict=True):
            assert body["system"][0]["cache_control"] == HINT
            assert body["messages"][-1]["content"][-1]["cache_control"] == HINT
            assert json.dumps(body).count("cache_control") == marks
