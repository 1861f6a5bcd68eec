"""OpenAI's chat-completions wire format: one answer, as a JSON body or as a stream of SSE chunks.

Pure functions over frozen data; knows no HTTP server and decides nothing about what is answered.
Format: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

DONE = b"data: [DONE]\n\n"
"""The last event of a stream that was not cut."""

_ARGUMENT_PIECE_CHARS = 8


@dataclass(frozen=True)
class ToolCall:
    """One tool call of an answer; `arguments` is JSON text, or what a test wants to be wrong."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Usage:
    """Token counts; cached tokens are part of the prompt, reasoning tokens of the completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Answer:
    """What the model says in one turn; without `finish_reason`, the one a provider would give."""

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    finish_reason: str | None = None
    usage: Usage = Usage()
    model: str = "demo"
    id: str = "chatcmpl-0"
    created: int = 0


def completion(answer: Answer) -> dict[str, Any]:
    """Build the body of a plain answer."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning is not None:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in answer.tool_calls]
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(answer)}
    return {
        **_envelope(answer, "chat.completion"),
        "choices": [{**choice, "logprobs": None}],
        "usage": _usage(answer.usage),
    }


def stream(answer: Answer, *, include_usage: bool = False) -> Iterator[bytes]:
    """Yield the same answer as SSE events: role, pieces, finish reason, usage, `[DONE]`.

    Args:
        answer: What to say.
        include_usage: The request's `stream_options.include_usage`.
    """
    for delta in _deltas(answer):
        yield event(_chunk(answer, delta))
    yield event(_chunk(answer, {}, _finish_reason(answer)))
    if include_usage:
        envelope = _envelope(answer, "chat.completion.chunk")
        yield event({**envelope, "choices": [], "usage": _usage(answer.usage)})
    yield DONE


def event(data: Mapping[str, Any]) -> bytes:
    """Encode one SSE event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def error(message: str, *, type_: str, code: str | None = None) -> dict[str, Any]:
    """Build the body of an error answer."""
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def wants_usage(request: Mapping[str, Any]) -> bool:
    """Tell whether a streamed request asks for the usage chunk."""
    options: Mapping[str, Any] = request.get("stream_options") or {}
    return bool(options.get("include_usage"))


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that a text is, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def content_text(message: Mapping[str, Any]) -> str:
    """Return a message's text, whether its content is a string or a list of parts."""
    content: Any = message.get("content") or ""
    if isinstance(content, str):
        return content
    parts: Iterable[Mapping[str, Any]] = content
    return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")


def count_usage(messages: Iterable[Mapping[str, Any]], answer: Answer) -> Usage:
    """Count words instead of tokens: enough for limits and dashboards to have something to show."""
    said = [answer.text or "", *(f"{call.name} {call.arguments}" for call in answer.tool_calls)]
    return Usage(
        prompt_tokens=sum(len(content_text(message).split()) for message in messages),
        completion_tokens=sum(len(piece.split()) for piece in said),
    )


def _deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if answer.text is None else ""}
    for piece in _words(answer.reasoning or ""):
        yield {"reasoning_content": piece}
    for piece in _words(answer.text or ""):
        yield {"content": piece}
    for index, call in enumerate(answer.tool_calls):
        yield from _tool_call_deltas(index, call)


def _tool_call_deltas(index: int, call: ToolCall) -> Iterator[dict[str, Any]]:
    yield {"tool_calls": [{"index": index, **_tool_call(call, arguments="")}]}
    for start in range(0, len(call.arguments), _ARGUMENT_PIECE_CHARS):
        piece = call.arguments[start : start + _ARGUMENT_PIECE_CHARS]
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _tool_call(call: ToolCall, *, arguments: str | None = None) -> dict[str, Any]:
    text = call.arguments if arguments is None else arguments
    function = {"name": call.name, "arguments": text}
    return {"id": call.id, "type": "function", "function": function}


def _chunk(
    answer: Answer, delta: Mapping[str, Any], finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_envelope(answer, "chat.completion.chunk"), "choices": [choice]}


def _envelope(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model}


def _finish_reason(answer: Answer) -> str:
    return answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)
