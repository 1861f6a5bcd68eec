"""What a call costs: by the setting MODEL_PRICES, else by a price list of ours, `prices.json`.

The list says where and when its figures were taken; `make prices` refreshes it. A model that is in
neither costs an unknown amount, which is not nothing.
"""

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import orjson

from outlast.model_prices import ModelPrice
from outlast.protocol import Usage
from outlast.providers import provider_of

_MILLION = 1_000_000
# How an agent may write a model is not always how the list does.
_LONG_FORMS = {
    "fireworks_ai/": "fireworks_ai/accounts/fireworks/models/",
    "openai/responses/": "openai/",
}


class Prices:
    """The prices of all models.

    Models are named as agents name them, with their providers.
    """

    def __init__(self, given: Mapping[str, ModelPrice] | None = None) -> None:
        """Take prices that count before all others; `provider/*` is of models that aren't named."""
        self._given = given or {}

    def know(self, model: str) -> bool:
        """Tell whether calls of a model have a price, even if its provider does not say it."""
        return self._given_for(model) is not None or _find(model) is not None

    def dearest(self, model: str) -> tuple[float, float] | None:
        """Return what a million tokens cost at most, that are sent and that are written."""
        if given := self._given_for(model):
            return max(given.input, given.written or 0), given.output
        listed = _find(model)
        tiers = [listed, *listed.get("above", ())] if listed else []
        if not tiers:
            return None
        read = max(max(tier["input"], tier.get("written", 0)) for tier in tiers)
        return read, max(tier["output"] for tier in tiers)

    def price(
        self, model: str, usage: Usage, written_tokens: int = 0, services_usd: float = 0
    ) -> Usage:
        """Return what a call used with what it costs.

        Args:
            model: The model that was called.
            usage: Cached tokens count within the input, reasoning within the output. Its cost is
                what the provider says.
            written_tokens: Of the input, those that were put into a cache.
            services_usd: What the call costs beside its tokens.
        """
        if not (usage.input_tokens or usage.output_tokens):
            return usage
        if given := self._given_for(model):
            cost = _cost_usd(given.model_dump(exclude_none=True), usage, written_tokens)
        elif usage.cost_usd is None and (listed := _find(model)):
            cost = _cost_usd(listed, usage, written_tokens)
        else:
            return usage
        return usage.model_copy(update={"cost_usd": cost + services_usd})

    def _given_for(self, model: str) -> ModelPrice | None:
        return self._given.get(model) or self._given.get(f"{provider_of(model)}/*")


def answer_tokens(model: str) -> int | None:
    """Return how long a model's answer can get, if that is known."""
    listed = _find(model)
    return listed.get("answer") if listed else None


def window_tokens(model: str) -> int | None:
    """Return how much a model can read, if that is known."""
    listed = _find(model)
    return listed.get("window") if listed else None


def _cost_usd(prices: Mapping[str, Any], usage: Usage, written_tokens: int) -> float:
    for above in prices.get("above", ()):
        if usage.input_tokens > above["tokens"]:
            prices = above
    cached = prices.get("cached", prices["input"])
    written = prices.get("written", prices["input"])
    cost = (
        (usage.input_tokens - usage.cached_tokens - written_tokens) * prices["input"]
        + usage.cached_tokens * cached
        + written_tokens * written
        + usage.output_tokens * prices["output"]
    )
    return cost / _MILLION


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
