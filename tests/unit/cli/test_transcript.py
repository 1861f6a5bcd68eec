"""Lines that stay of a run's events."""

from fakes import wire
from outlast.events import ANY_EVENT, ModelFallback
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
