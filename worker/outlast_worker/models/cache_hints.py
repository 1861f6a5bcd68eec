"""Tells providers which part of a prompt the next call will begin with, so that they keep it.

Most find out by themselves. Anthropic's models have to be told (a write costs a quarter more than
reading, each later read a tenth of it), and OpenAI finds a prompt sooner by a name:
https://docs.claude.com/en/docs/build-with-claude/prompt-caching,
https://platform.openai.com/docs/guides/prompt-caching.
"""

import re
from typing import Any

from outlast_worker.engine.operations import ModelCall

WireMessage = dict[str, Any]

_HINT = {"cache_control": {"type": "ephemeral"}}
_TOLD = re.compile(r"^(anthropic/|vertex_ai/claude|openrouter/anthropic/)")
_IN_PARTS = "openrouter/"
"""Takes hints on parts only, and none in results of tools."""


def hint_messages(call: ModelCall, messages: list[WireMessage]) -> list[WireMessage]:
    """Mark instructions, with the tools before them, and the end of what is said so far.

    And where that was at the call before: a provider looks for what it keeps only some blocks back
    from a mark. What will not be said again is not marked: that would only cost. A request may have
    four marks.

    Args:
        call: Who is asked.
        messages: Instructions first.
    """
    if call.settings.cache_prompt is False or not _TOLD.match(call.model):
        return messages
    in_parts = call.model.startswith(_IN_PARTS)
    marked = {0}
    if call.pin.tools or len(messages) > 2:  # instructions and one question
        answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
        before = messages[: answers[-1]] if answers else messages
        marked |= {_last(said, in_parts=in_parts) for said in (messages, before)}
    return [
        _hinted(message, in_parts=in_parts) if position in marked else message
        for position, message in enumerate(messages)
    ]


def hint_openai(call: ModelCall, host: str | None) -> dict[str, str]:
    """Return the name under which OpenAI looks for the prompt; other servers may not know it."""
    is_openai = host is not None and f".{host}".endswith(".api.openai.com")
    if not (is_openai and call.cache_key) or call.settings.cache_prompt is False:
        return {}
    return {"prompt_cache_key": call.cache_key}


def _last(messages: list[WireMessage], *, in_parts: bool) -> int:
    roles = ("user",) if in_parts else ("user", "tool")
    return max(n for n, message in enumerate(messages) if n == 0 or message["role"] in roles)


def _hinted(message: WireMessage, *, in_parts: bool) -> WireMessage:
    content = message.get("content")
    if isinstance(content, list) and content:
        return {**message, "content": [*content[:-1], {**content[-1], **_HINT}]}
    if not in_parts:
        return {**message, **_HINT}
    return {**message, "content": [{"type": "text", "text": content, **_HINT}]}
