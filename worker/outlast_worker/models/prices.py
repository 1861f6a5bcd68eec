"""What a call costs, by a price list of ours: `prices.json`, refreshed by `make prices`.

The list says where and when its figures were taken. A model that is not in it costs an unknown
amount, which is not nothing.
"""

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import orjson

from outlast.protocol import Usage

_MILLION = 1_000_000
# How an agent may write a model is not always how the list does.
_LONG_FORMS = {"fireworks_ai/": "fireworks_ai/accounts/fireworks/models/"}


def cost_usd(model: str, usage: Usage) -> float | None:
    """Return what a call costs; None where nobody knows a price.

    Args:
        model: As the agent names it, with its provider.
        usage: Cached tokens count within the input, reasoning within the output.
    """
    prices = _find(model)
    if prices is None:
        return None
    for above in prices.get("above", ()):
        if usage.input_tokens > above["tokens"]:
            prices = above
    cached = prices.get("cached", prices["input"])
    cost = (
        (usage.input_tokens - usage.cached_tokens) * prices["input"]
        + usage.cached_tokens * cached
        + usage.output_tokens * prices["output"]
    )
    return cost / _MILLION


def window_tokens(model: str) -> int | None:
    """Return how much a model can read, if that is known."""
    prices = _find(model)
    return prices.get("window") if prices else None


@functools.cache
def _find(model: str) -> Mapping[str, Any] | None:
    models = _load()
    if (found := models.get(model)) is not None:
        return found
    for short, long in _LONG_FORMS.items():
        if model.startswith(short):
            return models.get(model.replace(short, long, 1))
    return None


@functools.cache
def _load() -> Mapping[str, Mapping[str, Any]]:
    return orjson.loads(files("outlast_worker.models").joinpath("prices.json").read_bytes())[
        "models"
    ]
