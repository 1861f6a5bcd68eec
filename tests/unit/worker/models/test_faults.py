"""What the symptoms of a failed call mean, whichever client saw them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fakes.records import model_call
from outlast_worker.models.faults import Diagnosis, Symptoms, diagnose, retry_after_s


def diagnosed(symptoms: Symptoms) -> Diagnosis:
    call = model_call()
    return diagnose(symptoms, call)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "10"}, 0.01),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e300"}, 24 * 3600.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 -0000"}, 0.0),
        ({"retry-after": "Thu, 99 Jan 1970 00:00:00 GMT"}, None),
        ({"retry-after": "Fri, 99999999999999999999 Dec 2020 1:1:1"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 +0000"}, 24 * 3600.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -1200"}, 24 * 3600.0),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    """A delay that can't be read is as good as none, and a long one is cut to a day."""
    assert retry_after_s(headers) == expected


def test_retry_after_a_date() -> None:
    """A date is turned into the time until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after_s({"retry-after": date}) == pytest.approx(59, abs=3)


@pytest.mark.parametrize(("given", "expected"), [(7.0, (7.0, 7.0)), (None, (0.4, 0.6))])
def test_delay(given: float | None, expected: tuple[float, float]) -> None:
    """The provider's own delay counts; without one the first is about half a second."""
    delay_s = diagnosed(Symptoms("busy", status=503, retry_after_s=given)).retry_after_s
    assert delay_s is not None
    assert expected[0] <= delay_s <= expected[1]


def test_the_delay_after_hours_of_attempts() -> None:
    """It grows no more."""
    call = replace(model_call(), attempt=5_000)
    delay_s = diagnose(Symptoms("down", status=503), call).retry_after_s
    assert delay_s is not None
    assert 24 <= delay_s <= 36


@pytest.mark.parametrize(
    ("symptoms", "kind", "retried", "key_bound"),
    [
        (Symptoms("", "timeout"), "model-unavailable", True, False),
        (Symptoms("reset", "disconnected"), "model-unavailable", True, False),
        (Symptoms("no key", "key-missing"), "model-auth", False, False),
        (Symptoms("wrong", "key-refused"), "model-auth", False, True),
        (Symptoms("wrong", status=401), "model-auth", False, True),
        (Symptoms("", code="insufficient_quota"), "model-unavailable", False, True),
        (Symptoms("", "too-long", status=400), "context-too-long", False, False),
        (Symptoms("", "filtered", status=400), "content-policy", False, False),
        (Symptoms("", status=404), "model-not-found", False, False),
        (Symptoms("half", "malformed", status=200), "model-malformed", True, False),
        (Symptoms("slow down", status=429), "model-unavailable", True, True),
        (Symptoms("busy", status=529), "model-unavailable", True, False),
        (Symptoms("bug", "client-bug", status=500), "internal", False, False),
        (Symptoms("wrong", status=418), "model-rejected", False, False),
        (Symptoms("what?"), "internal", False, False),
    ],
    ids=lambda value: (
        value.sign or value.code or value.status if isinstance(value, Symptoms) else ""
    ),
)
def test_meanings(symptoms: Symptoms, kind: str, retried: bool, key_bound: bool) -> None:
    """Each symptom has an error type, and says whether time or another key may help."""
    diagnosis = diagnosed(symptoms)
    assert diagnosis.error.type == kind
    assert (diagnosis.retry_after_s is not None) == retried
    assert diagnosis.key_bound == key_bound


@pytest.mark.parametrize(
    ("symptoms", "kind", "key_bound"),
    [
        (Symptoms("Insufficient Balance", status=402), "model-unavailable", True),
        (Symptoms("Your credit balance is too low", status=400), "model-unavailable", True),
        (Symptoms("API key not valid.", status=400), "model-auth", True),
        (Symptoms("The input is too long: context window", status=400), "context-too-long", False),
        (Symptoms("no", status=400, code="context_length_exceeded"), "context-too-long", False),
        (Symptoms("exceeds the available context size", status=400), "context-too-long", False),
        (Symptoms("max context length exceeded", status=500), "context-too-long", False),
        (Symptoms("x is not a valid model ID", status=400), "model-not-found", False),
        (Symptoms("The model `x` does not exist", status=400), "model-not-found", False),
        (Symptoms("requires moderation", status=403), "content-policy", False),
        (Symptoms("no", status=400, code="data_inspection_failed"), "content-policy", False),
        (
            Symptoms("'temperature' is not supported with this model", status=400),
            "model-rejected",
            False,
        ),
        (Symptoms("The model is overloaded", status=503), "model-unavailable", False),
    ],
    ids=lambda value: value.text if isinstance(value, Symptoms) else "",
)
def test_wordings(symptoms: Symptoms, kind: str, key_bound: bool) -> None:
    """Providers have many words for the same, under statuses of their own."""
    diagnosis = diagnosed(symptoms)
    assert (diagnosis.error.type, diagnosis.key_bound) == (kind, key_bound)


def test_an_unknown_exception() -> None:
    """What nothing else explains is named after what was raised."""
    error = diagnosed(Symptoms("division by zero", exception="ZeroDivisionError")).error
    assert error.message == "ZeroDivisionError: division by zero"
