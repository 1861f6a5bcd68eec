"""What a call has used: the provider's counts if they make sense, and a price that is known."""

from typing import Any

import pytest

from outlast.protocol import Usage
from outlast_worker.models.prices import cost_usd, window_tokens
from outlast_worker.models.usage import usage_of

MODEL = "openai/gpt-5-mini"
TEN_FIVE = {"prompt_tokens": 10, "completion_tokens": 5}
NAN = float("nan")


def counts(raw: Any) -> tuple[int, int, int, int]:
    usage = usage_of(MODEL, raw)
    return usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, (10, 5, 0, 0)),
        ({"input_tokens": 10, "output_tokens": 5}, (10, 5, 0, 0)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            (10, 5, 8, 2),
        ),
        ({**TEN_FIVE, "cached_tokens": 8}, (10, 5, 8, 0)),
        ({**TEN_FIVE, "prompt_cache_hit_tokens": 8}, (10, 5, 8, 0)),
        ({**TEN_FIVE, "prompt_tokens_details": None}, (10, 5, 0, 0)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 18,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            (10, 8, 0, 3),
        ),
    ],
)
def test_counts(raw: Any, expected: tuple[int, int, int, int]) -> None:
    """Each provider's names are understood, and reasoning counts as output wherever it stands."""
    assert counts(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "many",
        {},
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 1.5, "completion_tokens": 5},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": "10", "completion_tokens": 5},
        {"prompt_tokens": 10**20, "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 11},
    ],
)
def test_counts_that_make_no_sense(raw: Any) -> None:
    """They are nobody's, and cost an unknown amount."""
    usage = usage_of(MODEL, raw)
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (0, 0, None)
    assert usage.model_calls == 1


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0.25, 0.25),
        (0, 0.0),
        ({"total_cost": 0.5}, 0.5),
        (-1, None),
        (NAN, None),
        ("1", None),
    ],
)
def test_the_providers_own_cost(cost: Any, expected: float | None) -> None:
    """What the provider says counts first, if it is a sum of money."""
    raw = {"prompt_tokens": 10, "completion_tokens": 5, "cost": cost}
    assert usage_of("openrouter/no/such", raw).cost_usd == expected


def used(input_tokens: int, cached_tokens: int = 0, output_tokens: int = 0) -> Usage:
    return Usage(
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        model_calls=1,
        cost_usd=None,
    )


def test_price() -> None:
    """Cached tokens cost less: $0.25, $0.025 and $2 for a million."""
    assert cost_usd(MODEL, used(1_000_000)) == pytest.approx(0.25)
    assert cost_usd(MODEL, used(1_000_000, 1_000_000)) == pytest.approx(0.025)
    assert cost_usd(MODEL, used(0, 0, 1_000_000)) == pytest.approx(2)


def test_price_of_a_long_input() -> None:
    """Above a step some models cost more, and the whole input does."""
    short, long = (cost_usd("openai/gpt-5.4", used(tokens)) for tokens in (272_000, 272_001))
    assert short is not None
    assert long is not None
    assert long > 1.9 * short


@pytest.mark.parametrize("model", ["openai/no-such-model", "hosted_vllm/gpt-5-mini", "x"])
def test_no_price(model: str) -> None:
    """Without a price the cost is unknown, which is not nothing."""
    assert cost_usd(model, used(10)) is None
    assert window_tokens(model) is None


def test_short_names() -> None:
    """A price is found by the name that an agent writes."""
    name = "fireworks_ai/deepseek-v3"
    assert cost_usd(name, used(10)) == cost_usd(
        "fireworks_ai/accounts/fireworks/models/deepseek-v3", used(10)
    )
    assert cost_usd(name, used(10)) is not None


def test_window() -> None:
    """How much a model can read is known, too."""
    assert window_tokens(MODEL) == 272_000
