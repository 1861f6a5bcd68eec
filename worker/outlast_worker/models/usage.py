"""Reads what a provider says that a call has used: only counts that make sense."""

import math
from collections.abc import Mapping
from typing import Any, cast

from outlast.protocol import Usage


def usage_of(raw: Any) -> Usage:
    """Return what a provider's `usage` says in OpenAI's format; nothing if that makes no sense.

    Its cost is what the provider itself says that the call costs.
    """
    said = _object(raw)
    counts = _counts(said)
    if counts is None:
        return Usage(model_calls=1, cost_usd=None)
    return Usage(model_calls=1, cost_usd=_own_cost(said), **counts)


def _counts(said: Mapping[str, Any]) -> dict[str, int] | None:
    inputs = _object(said.get("prompt_tokens_details") or said.get("input_tokens_details"))
    outputs = _object(said.get("completion_tokens_details") or said.get("output_tokens_details"))
    given = {
        "input_tokens": _first(said, "prompt_tokens", "input_tokens"),
        "output_tokens": _first(said, "completion_tokens", "output_tokens"),
        # Moonshot and DeepSeek have names of their own.
        "cached_tokens": _first({**said, **inputs}, "cached_tokens", "prompt_cache_hit_tokens"),
        "reasoning_tokens": _first({**said, **outputs}, "reasoning_tokens"),
    }
    if given["input_tokens"] is None and given["output_tokens"] is None:
        return None
    counts = {name: 0 if value is None else value for name, value in given.items()}
    if not all(is_count(value) for value in counts.values()):
        return None
    if counts["cached_tokens"] > counts["input_tokens"]:
        return None
    if said.get("total_tokens") == sum(counts.values()) - counts["cached_tokens"]:
        # xAI counts reasoning beside the output; others count it within.
        counts["output_tokens"] += counts["reasoning_tokens"]
    return counts


def _own_cost(said: Mapping[str, Any]) -> float | None:
    """Return what the provider itself says that the call costs (OpenRouter, Perplexity)."""
    cost = said.get("cost")
    if isinstance(cost, dict):
        cost = cast("dict[str, Any]", cost).get("total_cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if math.isfinite(cost) and cost >= 0 else None


def _first(said: Mapping[str, Any], *names: str) -> Any:
    return next((said[name] for name in names if said.get(name) is not None), None)


def is_count(value: Any) -> bool:
    """Tell whether a number can be one of tokens."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
