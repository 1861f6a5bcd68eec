"""Writes the price list of models anew, from the one that the installed litellm carries.

Run by `make prices` after litellm was raised; look at what changed before you commit it.
"""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from outlast_worker.models.anthropic_http.address import PROVIDER as ANTHROPIC
from outlast_worker.models.openai_http.providers import PROVIDERS

_LIST = Path(__file__).parents[1] / "worker" / "outlast_worker" / "models" / "prices.json"
_PROVIDERS = {*PROVIDERS, ANTHROPIC}
_MODES = ("chat", "responses")
_MILLION = 1_000_000
_FIELDS = {
    "input": "input_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "output": "output_cost_per_token",
}
# Anthropic alone says how much of an input it has put into its cache.
_ANTHROPICS = {**_FIELDS, "written": "cache_creation_input_token_cost"}
# Above so many tokens of input some models cost more.
_STEPS = (100_000, 128_000, 200_000, 256_000, 272_000, 512_000)


def main() -> None:
    """Write the list."""
    models = {
        _name(name, entry["litellm_provider"]): made
        for name, entry in json.loads(_find_list().read_text()).items()
        if entry.get("litellm_provider") in _PROVIDERS and entry.get("mode") in _MODES
        if (made := _prices(entry))
    }
    about = {
        "about": "US dollars for a million tokens, and tokens that a model can read.",
        "source": f"litellm {version('litellm')} (MIT), model_prices_and_context_window.json",
        "date": f"{datetime.now(UTC):%F}",
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(models[name])}" for name in sorted(models))
    head = json.dumps(about, indent=0).removesuffix("\n}")
    _LIST.write_text(f'{head},\n"models": {{\n{lines}\n}}\n}}\n')
    print(f"{len(models)} models in {_LIST.name}")


def _find_list() -> Path:
    spec = find_spec("litellm")  # not imported: that would fetch a list from the internet
    if spec is None or spec.origin is None:
        raise SystemExit("litellm is not installed: make setup-test")
    return Path(spec.origin).with_name("model_prices_and_context_window_backup.json")


def _name(name: str, provider: str) -> str:
    return name if name.startswith(f"{provider}/") else f"{provider}/{name}"


def _prices(entry: dict[str, Any]) -> dict[str, Any] | None:
    prices: dict[str, Any] = _step(entry, "")
    if not prices.get("input") or not prices.get("output"):
        return None
    above = [
        {"tokens": tokens, **prices, **step}
        for tokens in _STEPS
        if (step := _step(entry, f"_above_{tokens // 1000}k_tokens"))
    ]
    if above:
        prices["above"] = above
    # And it alone has to be told how long an answer may get.
    if entry["litellm_provider"] == ANTHROPIC and (longest := entry.get("max_output_tokens")):
        prices["answer"] = int(longest)
    if window := entry.get("max_input_tokens") or entry.get("max_tokens"):
        prices["window"] = int(window)
    return prices


def _step(entry: dict[str, Any], suffix: str) -> dict[str, float]:
    fields = _ANTHROPICS if entry["litellm_provider"] == ANTHROPIC else _FIELDS
    return {
        name: float(f"{value * _MILLION:.6g}")
        for name, field in fields.items()
        if isinstance(value := entry.get(f"{field}{suffix}"), int | float)
    }


if __name__ == "__main__":
    main()
