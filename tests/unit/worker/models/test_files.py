"""Images and documents reach each provider in its own words, those in results of tools too."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fakes import fault
from fakes.records import NOON
from outlast_worker.engine.records import StoredMessage
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

PIXEL = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
PARTS = [
    {"type": "text", "text": "See:"},
    {"type": "image", "url": PIXEL},
    {"type": "file", "url": PDF, "name": "a.pdf"},
]


@pytest.fixture
def client() -> Client:
    """These tests are about the direct client alone."""
    return "direct"


def said(role: str, content: Any, **more: Any) -> StoredMessage:
    fields = {"id": "1", "role": role, "content": content, "run_id": "r", "created_at": NOON}
    return StoredMessage.model_validate({**fields, **more})


ASKED = said("user", PARTS)
RESULT = [
    said("user", "Look."),
    said("assistant", "", tool_calls=[{"call_id": "1.0", "name": "refund", "arguments": {}}]),
    said("tool", PARTS, call_id="1.0"),
]


async def sent(ask: Asker, model: str, history: Sequence[StoredMessage]) -> Any:
    path = ask.server.play("/files", fault(400))
    provider = Provider(base_url=f"{ask.server.origin}{path}/v1")
    await ask.fault(model=model, provider=provider, history=history)
    [request] = ask.server.requests(path)
    ask.server.forget(path)
    return request.body


@pytest.mark.parametrize("history", [[ASKED], RESULT], ids=["asked", "result"])
async def test_chat(ask: Asker, history: Sequence[StoredMessage]) -> None:
    """OpenAI's chats take them in a user's message."""
    body = await sent(ask, "openai/x", history)
    users = [m["content"] for m in body["messages"] if m["role"] == "user"]
    parts = next(content for content in users if isinstance(content, list))
    assert {"type": "image_url", "image_url": {"url": PIXEL}} in parts
    assert {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}} in parts


@pytest.mark.parametrize("history", [[ASKED], RESULT], ids=["asked", "result"])
async def test_responses(ask: Asker, history: Sequence[StoredMessage]) -> None:
    """So does `/responses`, in other words."""
    body = await sent(ask, "openai/responses/x", history)
    users = [item["content"] for item in body["input"] if item.get("role") == "user"]
    parts = next(content for content in users if isinstance(content, list))
    assert {"type": "input_image", "image_url": PIXEL} in parts
    assert {"type": "input_file", "file_data": PDF, "filename": "a.pdf"} in parts


@pytest.mark.parametrize("history", [[ASKED], RESULT], ids=["asked", "result"])
async def test_anthropic(ask: Asker, history: Sequence[StoredMessage]) -> None:
    """Anthropic's blocks have the bytes, and what they are; a result holds its own."""
    body = await sent(ask, "anthropic/claude-sonnet-4-5", history)
    users = [message for message in body["messages"] if message["role"] == "user"]
    blocks = [block for message in users for block in message["content"]]
    if history is RESULT:
        [result] = [block for block in blocks if block["type"] == "tool_result"]
        blocks = result["content"]
    sources = {
        block["type"]: block["source"] for block in blocks if block["type"] in ("image", "document")
    }
    assert sources["image"]["media_type"] == "image/png"
    assert sources["image"]["data"] == "iVBORw0KGgo="
    assert sources["document"]["media_type"] == "application/pdf"
    assert json.dumps(body).count("JVBERi0=") == 1
