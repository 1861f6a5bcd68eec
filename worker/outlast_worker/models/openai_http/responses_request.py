"""What OpenAI is asked over `/responses`, which its newer models need for tools and reasoning.

https://platform.openai.com/docs/api-reference/responses/create. Nothing is stored there: the
conversation is sent whole, with the model's encrypted reasoning as it came.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.cache_hints import hint_openai
from outlast_worker.models.chat_format import WireMessage, wire_messages, wire_settings
from outlast_worker.models.http.writing import encode
from outlast_worker.models.openai_http.request import model_name
from outlast_worker.models.output_format import schema_format
from outlast_worker.models.sent_back import SentBack

OUTPUT = "responses_output"
"""The field of an answer that says in which order reasoning, text and calls came."""
_BACK = SentBack(frozenset({OUTPUT}))
_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
# Chat's parameters that are parts of others here, or that there are not.
_ELSEWHERE = frozenset({"reasoning_effort", "response_format", "verbosity", "tool_choice"})
_NOT_HERE = frozenset({"seed", "stop"})


def responses_body(call: ModelCall, host: str | None) -> bytes:
    """Return a request for a streamed answer.

    Args:
        call: What to ask.
        host: Where.
    """
    model = model_name(call).removeprefix("responses/")
    instructions, *messages = wire_messages(call, _BACK)
    body: dict[str, Any] = {
        "model": model,
        "instructions": instructions["content"],
        "input": [item for message in messages for item in _items(message, model)],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        **hint_openai(call, host),
        **_options(
            {**wire_settings(call), **schema_format(call), **(call.settings.extra_body or {})}
        ),
        "stream": True,
    }
    if call.pin.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,  # it is what chat completions do; here it is the default
            }
            for tool in call.pin.tools
        ]
    return encode(body)


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        _RENAMED.get(name, name): value
        for name, value in options.items()
        if name not in _ELSEWHERE | _NOT_HERE
    }
    if effort := options.get("reasoning_effort"):
        body["reasoning"] = {**body.get("reasoning", {}), "effort": effort}
    text: dict[str, Any] = {}
    if verbosity := options.get("verbosity"):
        text["verbosity"] = verbosity
    match options.get("response_format"):
        case {"type": "json_schema", "json_schema": schema}:
            text["format"] = {"type": "json_schema", **cast("dict[str, Any]", schema)}
        case None:
            pass
        case response_format:
            text["format"] = response_format
    if text:
        body["text"] = {**body.get("text", {}), **text}
    match options.get("tool_choice"):
        case {"function": {"name": str(name)}}:
            body["tool_choice"] = {"type": "function", "name": name}
        case None:
            pass
        case choice:
            body["tool_choice"] = choice
    return body


def _items(message: WireMessage, model: str) -> Iterator[dict[str, Any]]:
    """Return the items that stand for a message of a chat."""
    match message["role"]:
        case "tool":
            yield {
                "type": "function_call_output",
                "call_id": message["tool_call_id"],
                "output": message["content"],
            }
        case "assistant":
            yield from _said(message, model)
        case _:
            yield {"role": "user", "content": _content(message["content"])}


def _said(message: WireMessage, model: str) -> Iterator[dict[str, Any]]:
    """Return what the model said, its reasoning before what it led to.

    Reasoning is refused without what follows it, and by other models.
    """
    calls = [_call(call) for call in message.get("tool_calls", [])]
    text = message["content"]
    said = [{"role": "assistant", "content": text}] if text else []
    kept = cast("dict[str, Any]", message.get(OUTPUT) or {})
    reasoning: list[dict[str, Any]] = []
    order: list[Any] = kept["items"] if kept.get("model") == model else []
    for item in order:
        if item == "text":
            following, said = said, []
        elif item == "call":
            following, calls = calls[:1], calls[1:]
        else:
            reasoning.append(item)
            continue
        if following:
            yield from (*reasoning, *following)
        reasoning = []
    yield from (*said, *calls)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call["id"], **call["function"]}


def _content(content: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "image_url", "image_url": {"url": url}}:
            return {"type": "input_image", "image_url": url}
        case {"type": "file", "file": file}:
            data = file["file_data"]
            if data.startswith(("http:", "https:")):
                return {"type": "input_file", "file_url": data}
            return {"type": "input_file", **file}
        case _:
            return {"type": "input_text", "text": part["text"]}
