"""Lines that stay of a run's events."""

from typing import Any

import pytest

from fakes import wire
from outlast.events import ANY_EVENT, Compacted, ModelFallback
from outlast.protocol import RunError
from outlast_cli.transcript import line_of


def test_another_model_is_asked() -> None:
    """Whoever watches reads which one failed, why, and which one is asked."""
    event = ModelFallback(
        run_id="r",
        seq=4,
        turn=1,
        model="groq/llama",
        instead_of="openai/gpt-5",
        error=RunError(type="model-auth", message="The key was refused.", retryable=False),
    )
    line = line_of(event)
    assert line is not None
    assert line.plain == "! openai/gpt-5: model-auth; groq/llama is asked"


def test_who_speaks() -> None:
    """Whoever watches reads who takes over from whom, as it comes over the wire."""
    sent = wire.event(9, "handoff", turn=1, call_id="1.0", **{"from": "desk", "to": "support"})
    line = line_of(ANY_EVENT.validate_python(sent))
    assert line is not None
    assert line.plain == "⇒ 1.0 desk hands over to support"


@pytest.mark.parametrize(("how", "told"), [("summary", "summed up"), ("window", "left out")])
def test_what_was_said_is_not_read_any_more(how: Any, told: str) -> None:
    """Whoever watches reads how much of it, and what became of it."""
    event = Compacted(
        run_id="r", seq=4, turn=1, how=how, messages=40, tokens_before=90_000, tokens_after=24_000
    )
    line = line_of(event)
    assert line is not None
    assert line.plain == f"≡ 40 messages {told}: 90000 to 24000 tokens"
