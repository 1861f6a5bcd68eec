"""What a provider of OpenAI's format is asked: the body of a request for a chat completion."""

from collections.abc import Mapping
from typing import Any, cast

from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.cache_hints import hint_messages, hint_openai
from outlast_worker.models.chat_format import wire_messages, wire_settings, wire_tools
from outlast_worker.models.http.writing import encode
from outlast_worker.models.openai_http.providers import PROVIDERS, renamed
from outlast_worker.models.output_format import schema_format
from outlast_worker.models.sent_back import sent_back


def chat_body(call: ModelCall, host: str | None) -> bytes:
    """Return a request for a streamed answer.

    Args:
        call: What to ask.
        host: Where; some providers are known by it.
    """
    provider, _, model = call.model.partition("/")
    known = PROVIDERS[provider]
    if known.model_prefix and "/" not in model:
        model = known.model_prefix + model
    messages = hint_messages(call, wire_messages(call, sent_back(provider, host)))
    body: dict[str, Any] = {
        "model": model,
        "messages": [_joined(message) for message in messages] if known.texts_only else messages,
        **_settings(call, renamed(provider, model)),
        **schema_format(call),
        "stream": True,
        **hint_openai(call, host),
        **known.extra,
    }
    if known.asks_for_usage:
        body["stream_options"] = {"include_usage": True}
    if call.pin.tools:
        body["tools"] = wire_tools(call.pin.tools)
    return encode(body | (call.settings.extra_body or {}))


def model_name(call: ModelCall) -> str:
    """Return the model without its provider."""
    return call.model.removeprefix(f"{provider_of(call.model)}/")


def _settings(call: ModelCall, names: Mapping[str, str]) -> dict[str, Any]:
    said = {names.get(name, name): value for name, value in wire_settings(call).items()}
    if "reasoning" in said:  # OpenRouter's, where more may stand
        said["reasoning"] = {"effort": said["reasoning"]}
    return said


def _joined(message: dict[str, Any]) -> dict[str, Any]:
    """Make one text of parts that are all text."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = cast("list[dict[str, Any]]", content)
    if not all(part.get("type") == "text" for part in parts):
        return message
    return {**message, "content": "".join(part["text"] for part in parts)}
