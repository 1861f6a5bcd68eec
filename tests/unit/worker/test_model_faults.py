"""What an exception means, where no server can play it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from outlast_worker.models.faults import classify


class HTTPStatusError(Exception):
    """As httpx raises it: the provider's own answer."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__("Not now.")
        self.response = _Response(status, headers or {})


class _Response:
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status_code = status
        self.headers = headers


class Renamed(Exception):
    """As litellm raises it: with a status of its own, around the cause."""

    def __init__(self, message: str, status: int, **more: Any) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status
        for name, value in more.items():
            setattr(self, name, value)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("retry_after", "expected"),
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
    ],
)
def test_retry_after(retry_after: dict[str, str], expected: float | None) -> None:
    """A delay that can't be read, or can't be waited, is as good as none."""
    fault = classify(HTTPStatusError(503, retry_after), attempt=1)
    assert fault.retry_after_s is not None
    if expected is None:
        assert 0.4 <= fault.retry_after_s <= 0.6
    else:
        assert fault.retry_after_s == expected
    assert timedelta(seconds=fault.retry_after_s) >= timedelta(0)


def test_retry_after_a_date() -> None:
    """A date is turned into the time until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    fault = classify(HTTPStatusError(429, {"retry-after": date}), attempt=1)
    assert fault.retry_after_s == pytest.approx(59, abs=3)


def test_the_providers_status_counts() -> None:
    """The status that litellm gives is not believed where the provider gave one."""
    error = caused(Renamed("overloaded", 400), HTTPStatusError(529))
    assert classify(error, 1).error.type == "model-unavailable"
    error = caused(Renamed("Missing things", 500), HTTPStatusError(404))
    assert classify(error, 1).error.type == "model-not-found"


class APIConnectionError(Renamed):
    """litellm's name for broken lines, and for its own bugs."""


def test_a_bug_of_the_library_is_not_retried() -> None:
    """An error of Python's inside litellm comes as a connection error, and is final."""
    fault = classify(caused(APIConnectionError("…", 500), ImportError("mcp")), 1)
    assert (fault.error.type, fault.retry_after_s) == ("internal", None)
    fault = classify(caused(APIConnectionError("…", 500), ConnectionResetError()), 1)
    assert fault.error.type == "model-unavailable"
    assert fault.retry_after_s is not None


def test_a_port_that_looks_like_a_status() -> None:
    """A refused connection is one, whatever litellm reads in the address."""
    error = Renamed("Cannot connect to host 127.0.0.1:40344", 403)
    error.__cause__ = ConnectionRefusedError(111, "refused")
    fault = classify(error, 1)
    assert fault.error.type == "model-unavailable"
    assert fault.retry_after_s is not None


def test_an_unknown_exception_is_final() -> None:
    """What is not known is not retried, and says what it was."""
    fault = classify(ZeroDivisionError("division by zero"), 1)
    assert (fault.error.type, fault.error.retryable, fault.retry_after_s) == (
        "internal",
        False,
        None,
    )
    assert fault.error.message == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("litellm.BadRequestError: OpenAIException - Unknown parameter.", "Unknown parameter."),
        ("Bad.\nTraceback (most recent call last):\n  File", "Bad."),
        ("", "Renamed"),
    ],
)
def test_text(message: str, shown: str) -> None:
    """The text is the provider's, without litellm's prefixes and traces."""
    assert classify(Renamed(message, 400), 1).error.message == shown


def test_chains_that_bite_their_tail() -> None:
    """An exception that is its own cause ends."""
    first, second = Renamed("first", 400), Renamed("second", 400)
    first.__cause__, second.__cause__ = second, first
    assert classify(first, 1).error.type == "model-rejected"
