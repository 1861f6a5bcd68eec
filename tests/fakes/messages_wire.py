"""Anthropic's Messages wire format: one message, as a JSON body or as a stream of events.

Pure functions; the scripted model answers in it whoever asks at `…/messages`.
Format: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import json
from collections.abc import Iterator
from typing import Any

from fakes.script import Play, fault, raw
from outlast_local.demo_model.openai_wire import Answer

Block = dict[str, Any]

MODEL = "claude-sonnet-4-5-20250929"
_PIECE_CHARS = 8
_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
# What comes in pieces of a block's field, by the field.
_GROWING = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "signature": ("signature_delta", "signature"),
}


def text(said: str, **more: Any) -> Block:
    """Make a block of text."""
    return {"type": "text", "text": said, **more}


def thought(said: str, signature: str) -> Block:
    """Make a block of thinking."""
    return {"type": "thinking", "thinking": said, "signature": signature}


def use(name: str, call_id: str = "toolu_1", **arguments: Any) -> Block:
    """Make a call of a tool."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def message(
    *content: Block, stop_reason: str | None = "end_turn", **usage: int | dict[str, int]
) -> dict[str, Any]:
    """Make a whole message.

    Args:
        content: Its blocks.
        stop_reason: Why it ended.
        usage: Counts of tokens.
    """
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5, **usage},
    }


def stream(whole: dict[str, Any]) -> Iterator[bytes]:
    """Yield the same message as events."""
    usage = whole["usage"]
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield event("message_start", message=begun)
    yield event("ping")
    for index, block in enumerate(whole["content"]):
        start, deltas = _parts(block)
        yield event("content_block_start", index=index, content_block=start)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    counts = {name: usage[name] for name in usage if name != "input_tokens"}
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=ending, usage=counts)
    yield event("message_stop")


def event(kind: str, **fields: Any) -> bytes:
    """Encode one event."""
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def streamed(*content: Block, stop_reason: str = "end_turn", **usage: Any) -> Play:
    """Answer with a streamed message."""
    return raw(b"".join(stream(message(*content, stop_reason=stop_reason, **usage))))


def whole(*content: Block, stop_reason: str = "end_turn", **usage: Any) -> Play:
    """Answer with a message in one body, as a server that can't stream."""
    return fault(200, message(*content, stop_reason=stop_reason, **usage))


def refusal(status: int, kind: str, said: str, headers: dict[str, str] | None = None) -> Play:
    """Answer with an error."""
    return fault(status, error(kind, said), headers)


def error(kind: str, said: str) -> dict[str, Any]:
    """Build the body of an error, which is also the data of its event."""
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}


def message_of(answer: Answer) -> dict[str, Any]:
    """Return what a script says as Anthropic would."""
    content = [text(answer.text)] if answer.text else []
    content = [thought(answer.reasoning, "sig"), *content] if answer.reasoning else content
    for number, call in enumerate(answer.tool_calls):
        content.append(use(call.name, f"toolu_{answer.id}_{number}", **json.loads(call.arguments)))
    reason = answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")
    return message(
        *content,
        stop_reason=_REASONS.get(reason, reason),
        input_tokens=answer.usage.prompt_tokens - answer.usage.cached_tokens,
        cache_read_input_tokens=answer.usage.cached_tokens,
        output_tokens=answer.usage.completion_tokens,
    )


def _parts(block: Block) -> tuple[Block, list[dict[str, Any]]]:
    """Return how a block begins, and the pieces that it grows by."""
    if block["type"] in ("tool_use", "server_tool_use"):
        written = json.dumps(block["input"]) if block["input"] else ""
        pieces = ["", *_cut(written)]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return {**block, "input": {}}, deltas
    start, deltas = dict(block), []
    for name, (kind, part) in _GROWING.items():
        if isinstance(block.get(name), str):
            start[name] = ""
            deltas += [{"type": kind, part: piece} for piece in _cut(block[name])]
    citations = start.pop("citations", [])
    deltas += [{"type": "citations_delta", "citation": citation} for citation in citations]
    return start, deltas


def _cut(said: str) -> list[str]:
    return [said[start : start + _PIECE_CHARS] for start in range(0, len(said), _PIECE_CHARS)]
