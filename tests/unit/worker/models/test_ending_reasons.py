"""Why an answer ended is read from the provider, and nothing half is taken for whole."""

from collections.abc import Sequence

import pytest

from fakes.records import model_call
from outlast.protocol import Usage
from outlast_worker.engine.records import ModelRecord
from outlast_worker.models.answers import Answer, AnsweredCall, record_of
from outlast_worker.models.faults import CallFailed, diagnose
from outlast_worker.stopwatch import Stopwatch

CALL = model_call()
F = AnsweredCall("f", "{}", "1")


def recorded(reason: str, calls: Sequence[AnsweredCall] = (), text: str = "Hi.") -> ModelRecord:
    usage = Usage(model_calls=1, cost_usd=None)
    return record_of(CALL, Answer(text, calls, reason, "x", usage), Stopwatch())


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("tool_use", "tool_calls"),
        ("function_call", "tool_calls"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("model_context_window_exceeded", "length"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause"),
    ],
)
def test_answers(reason: str, kept: str) -> None:
    """An answer that counts is recorded with OpenAI's word for its end."""
    assert recorded(reason).finish_reason == kept


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("error", "model-unavailable"),
        ("network_error", "model-unavailable"),
        ("abort", "model-unavailable"),
        ("insufficient_system_resource", "model-unavailable"),
        ("MALFORMED_FUNCTION_CALL", "model-malformed"),
        ("UNEXPECTED_TOOL_CALL", "model-malformed"),
        ("brand_new_reason", "model-malformed"),
        ("", "model-malformed"),
    ],
)
def test_half_answers(reason: str, kind: str) -> None:
    """One that broke off, or ended for a reason that nobody knows, is asked for again."""
    with pytest.raises(CallFailed) as failed:
        recorded(reason)
    diagnosis = diagnose(failed.value.symptoms, CALL)
    assert (diagnosis.error.type, diagnosis.error.retryable) == (kind, True)
    assert diagnosis.retry_after_s is not None


@pytest.mark.parametrize("reason", ["length", "SAFETY"])
def test_calls_of_an_answer_that_was_cut(reason: str) -> None:
    """The last call may lack a part, so none counts."""
    assert recorded(reason, [F]).calls == []


def test_calls_of_the_provider_itself() -> None:
    """What the provider has run itself is not run again."""
    got = recorded("tool_calls", [AnsweredCall("web_search", "{}", "srvtoolu_1"), F])
    assert [call.name for call in got.calls] == ["f"]
