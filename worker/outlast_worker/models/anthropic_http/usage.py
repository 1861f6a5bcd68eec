"""Reads what Anthropic says that a call has used: only counts that make sense."""

from collections.abc import Mapping
from typing import Any, cast

from outlast.protocol import Usage
from outlast_worker.models.usage import is_count

# https://platform.claude.com/docs/en/about-claude/pricing, 2026-11-28
_SEARCH_USD = 0.01


def usage_of(said: Mapping[str, Any]) -> tuple[Usage, int]:
    """Return what was used, and how many tokens of the input were put into the cache.

    Anthropic counts the input without what was read from the cache, or written into it.
    """
    nothing = Usage(model_calls=1, cost_usd=None), 0
    if said.get("input_tokens") is None and said.get("output_tokens") is None:
        return nothing
    names = (
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
    )
    counts = [said.get(name) or 0 for name in names]
    thought = _object(said.get("output_tokens_details")).get("thinking_tokens") or 0
    if not all(is_count(count) for count in (*counts, thought)):
        return nothing
    new, read, written, output = counts
    usage = Usage(
        input_tokens=new + read + written,
        cached_tokens=read,
        output_tokens=output,
        reasoning_tokens=min(thought, output),
        model_calls=1,
        cost_usd=None,
    )
    return usage, written


def services_usd(said: Mapping[str, Any]) -> float:
    """Return what the provider's own tools cost."""
    searches: Any = _object(said.get("server_tool_use")).get("web_search_requests")
    return int(searches) * _SEARCH_USD if is_count(searches) else 0


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
