"""What a call costs: by the operator's prices, the provider's word, or the list."""

import pytest

from outlast.model_prices import ModelPrice
from outlast.protocol import Usage
from outlast_worker.models.prices import Prices, answer_tokens, window_tokens

MODEL = "openai/gpt-5-mini"
OURS = ModelPrice(input=2, cached=0.5, output=10)


def used(
    input_tokens: int, cached_tokens: int = 0, output_tokens: int = 0, *, said: float | None = None
) -> Usage:
    return Usage(
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        model_calls=1,
        cost_usd=said,
    )


def cost_usd(model: str, usage: Usage, **given: ModelPrice) -> float | None:
    return Prices(given).price(model, usage).cost_usd


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


@pytest.mark.parametrize("model", [MODEL, "openai/gpt-5.4"])
@pytest.mark.parametrize("tokens", [1000, 272_001])
def test_dearest_price(model: str, tokens: int) -> None:
    """No call costs more than that, however long its input is."""
    dearest = Prices().dearest(model)
    cost = cost_usd(model, used(tokens, 0, tokens))
    assert dearest
    assert cost
    assert cost <= (dearest[0] + dearest[1]) * tokens / 1_000_000 <= 3 * cost
    assert Prices({model: OURS}).dearest(model) == (2, 10)


def test_a_price_that_is_not_known_before() -> None:
    """Whose provider alone says what a call costs is not guessed at."""
    assert Prices().dearest("openai/no-such-model") is None


@pytest.mark.parametrize("model", ["openai/no-such-model", "hosted_vllm/gpt-5-mini", "x"])
def test_no_price(model: str) -> None:
    """Without a price the cost is unknown, which is not nothing."""
    assert cost_usd(model, used(10)) is None
    assert not Prices().know(model)
    assert window_tokens(model) is None


@pytest.mark.parametrize(
    ("short", "listed"),
    [
        (
            "fireworks_ai/deepseek-v3",
            "fireworks_ai/accounts/fireworks/models/deepseek-v3",
        ),
        ("openai/responses/gpt-5-mini", MODEL),
    ],
)
def test_short_names(short: str, listed: str) -> None:
    """A price is found by the name that an agent writes."""
    assert cost_usd(short, used(10)) == cost_usd(listed, used(10))
    assert Prices().know(short)


def test_the_operators_price() -> None:
    """It counts before the list, and before what the provider says; an answer uses what it uses."""
    prices = Prices({MODEL: OURS})
    usage = used(1_000_000, 500_000, 100_000, said=7)
    assert prices.price(MODEL, usage) == usage.model_copy(update={"cost_usd": 1 + 0.25 + 1})
    assert prices.know(MODEL)


def test_a_price_without_one_for_cached_tokens() -> None:
    """Cached tokens then cost what others do."""
    given = {"hosted_vllm/q": ModelPrice(input=2, output=4)}
    assert Prices(given).price("hosted_vllm/q", used(1_000_000, 500_000)).cost_usd == 2


def test_all_models_of_a_provider() -> None:
    """A server of one's own may cost nothing, but for the model that is named."""
    prices = Prices({"ollama/*": ModelPrice(input=0, output=0), "ollama/big": OURS})
    assert prices.price("ollama/llama3", used(10)).cost_usd == 0
    assert prices.price("ollama/big", used(1_000_000)).cost_usd == 2
    assert prices.know("ollama/llama3")
    assert not prices.know("lm_studio/x")


def test_the_providers_word() -> None:
    """What the provider says counts before the list."""
    assert cost_usd(MODEL, used(1_000_000, said=0.125)) == 0.125


def test_nothing_counted() -> None:
    """A call that nobody counted costs an unknown amount at any price."""
    assert cost_usd(MODEL, used(0), **{MODEL: OURS}) is None


def test_what_is_put_into_a_cache() -> None:
    """It has a price of its own, by the list or the operator; services come on top of it."""
    claude, usage = "anthropic/claude-sonnet-4-5", used(1_000_000, 400_000)
    assert Prices().price(claude, usage, 500_000).cost_usd == pytest.approx(0.3 + 0.12 + 1.875)
    assert Prices().price(claude, usage, 0, 0.5).cost_usd == pytest.approx(1.8 + 0.12 + 0.5)
    assert Prices().dearest(claude) == (3.75, 15)
    given = Prices({claude: ModelPrice(input=1, output=1, written=2)})
    assert given.price(claude, usage, 500_000).cost_usd == pytest.approx(0.5 + 1)
    assert given.dearest(claude) == (2, 1)


def test_how_long_an_answer_can_get() -> None:
    """It is known of Anthropic's models, which have to be told."""
    assert answer_tokens("anthropic/claude-opus-5") == 128_000
    assert answer_tokens("anthropic/glm-5") is None


def test_window() -> None:
    """How much a model can read is known, too."""
    assert window_tokens(MODEL) == 272_000
