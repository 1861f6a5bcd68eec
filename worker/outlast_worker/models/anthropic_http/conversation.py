"""A conversation in Anthropic's blocks, made of one in chat format.

Roles take turns there: what follows each other under one role becomes one message. Results of calls
come first in the message after them; empty texts are refused.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from outlast_worker.models.anthropic_http.layout import (
    LAYOUT,
    THINKING,
    Block,
    clean_thought,
    is_thought,
    lay_out,
    seal_of,
)
from outlast_worker.models.chat_format import WireMessage

_HINT = "cache_control"
_EMPTY = "(empty)"
_BEFORE_ALL = "(What was said before is not here.)"
_RUNS = ("server_tool_use", "mcp_tool_use")
"""Blocks of calls that the provider runs; those of their results name the id."""


def turns_of(messages: Iterable[WireMessage], unreadable: Collection[str] = ()) -> list[Block]:
    """Return a conversation's messages, without the instructions.

    Args:
        messages: In chat format, with whole results.
        unreadable: The seals of thinking that the provider has refused.
    """
    turns: list[Block] = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = list(_assistant(message, unreadable) if role == "assistant" else _user(message))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    for place, turn in enumerate(turns):
        if turn["role"] == "assistant":
            turn["content"] = _finished(turn["content"], is_last=place == len(turns) - 1)
    turns = [turn for turn in turns if turn["content"]]
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": _BEFORE_ALL}]})
    return turns


def thoughts_in(turns: Iterable[Block]) -> list[Block]:
    """Return all blocks of thinking."""
    return [block for turn in turns for block in turn["content"] if is_thought(block)]


def calls_unthought(turns: list[Block]) -> bool:
    """Tell whether results are to be gone on from whose calls were made without thinking."""
    if len(turns) < 2 or turns[-1]["content"][0]["type"] != "tool_result":
        return False
    return not is_thought(turns[-2]["content"][0])


def text_block(message: WireMessage) -> list[Block]:
    """Return the instructions, if there are any."""
    text = message["content"]
    return [{"type": "text", "text": text, **_hint_of(message)}] if text.strip() else []


def _user(message: WireMessage) -> list[Block]:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    hint = _hint_of(message) or _hint_of(parts[-1] if parts else {})
    blocks = [block for part in parts if (block := _block(part))]
    if message["role"] == "tool":
        blocks = [_result(message, blocks)]
    elif not blocks:
        blocks = [{"type": "text", "text": _EMPTY}]
    return [*blocks[:-1], {**blocks[-1], **hint}]


def _result(message: WireMessage, blocks: list[Block]) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
    if blocks:
        result["content"] = blocks
    if message.get("is_error"):
        result["is_error"] = True
    return result


def _assistant(message: WireMessage, unreadable: Collection[str]) -> Iterable[Block]:
    content = message["content"] or ""
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    kept = [thought for each in message.get(THINKING, ()) if (thought := clean_thought(each))]
    if any(seal_of(thought) in unreadable for thought in kept):
        kept = []
    calls = [_call(call) for call in message.get("tool_calls", ())]
    return lay_out(text, calls, kept, message.get(LAYOUT))


def _call(call: Mapping[str, Any]) -> Block:
    function = call["function"]
    made = {"id": call["id"], "name": function["name"], "input": json.loads(function["arguments"])}
    caller = {"caller": call["caller"]} if "caller" in call else {}
    return {"type": "tool_use", **made, **caller}


def _finished(blocks: list[Block], *, is_last: bool) -> list[Block]:
    """Leave out what leads to nothing: it would be refused.

    The last answer may be one that the provider is to go on with: its calls are open.
    """
    if not is_last:
        answered = {block.get("tool_use_id") for block in blocks}
        blocks = [b for b in blocks if b["type"] not in _RUNS or b.get("id") in answered]
    else:
        blocks = _without_trailing_space(blocks)
    while blocks and is_thought(blocks[-1]):
        blocks = blocks[:-1]
    return blocks


def _without_trailing_space(blocks: list[Block]) -> list[Block]:
    if not blocks or blocks[-1]["type"] != "text":
        return blocks
    return [*blocks[:-1], {**blocks[-1], "text": blocks[-1]["text"].rstrip()}]


def _hint_of(part: Mapping[str, Any]) -> dict[str, Any]:
    return {_HINT: part[_HINT]} if _HINT in part else {}


def _block(part: Mapping[str, Any]) -> Block | None:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "image", "source": _source(url)}
        case {"type": "file", "file": {"file_data": str(url), "filename": str(name)}}:
            return _document(url, name)
        case {"text": str(text)} if text.strip():
            return {"type": "text", "text": text}
        case _:
            return None


def _document(url: str, name: str) -> Block:
    source = _source(url)
    media_type = str(source.get("media_type", ""))
    if media_type.startswith("image/"):
        return {"type": "image", "source": source}
    if media_type.startswith("text/") or media_type == "application/json":
        try:
            text = b64decode(source["data"]).decode()
        except (NotBase64, UnicodeDecodeError):
            pass  # what it is the provider tells better
        else:
            source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **({"title": name} if name else {})}


def _source(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url.removeprefix("data:").partition(",")
    media_type, *options = head.split(";")
    if "base64" not in options:
        data = b64encode(unquote_to_bytes(data)).decode()
    return {"type": "base64", "media_type": media_type or "text/plain", "data": data}
