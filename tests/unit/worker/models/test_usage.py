"""What a call has used: the provider's counts, if they make sense."""

from typing import Any

import pytest

from outlast_worker.models.usage import usage_of

TEN_FIVE = {"prompt_tokens": 10, "completion_tokens": 5}
NAN = float("nan")


def counts(raw: Any) -> tuple[int, int, int, int]:
    usage = usage_of(raw)
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
    usage = usage_of(raw)
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
    assert usage_of(raw).cost_usd == expected
