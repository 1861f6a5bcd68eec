"""Lines that stay of a run's events."""

from outlast.events import ModelFallback
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
