"""What is read from litellm's exceptions, where no server can play them."""

from typing import Any

import pytest

from outlast_worker.models.litellm_errors import symptoms_of


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


class APIConnectionError(Renamed):
    """litellm's name for broken lines, and for its own bugs."""


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("theirs", [529, 404])
def test_the_providers_status_counts(theirs: int) -> None:
    """The status that litellm gives is not believed where the provider gave one."""
    assert symptoms_of(caused(Renamed("Not now.", 400), HTTPStatusError(theirs))).status == theirs


def test_the_providers_delay() -> None:
    """The delay is found wherever in the chain its headers are."""
    error = HTTPStatusError(503, {"retry-after": "2"})
    assert symptoms_of(caused(Renamed("Not now.", 500), error)).retry_after_s == 2
    kept = Renamed("Not now.", 500, litellm_response_headers={"retry-after-ms": "250"})
    assert symptoms_of(kept).retry_after_s == 0.25


def test_a_bug_of_the_library() -> None:
    """An error of Python's inside litellm comes as a connection error, and is its own bug."""
    bug = caused(APIConnectionError("…", 500), ImportError("mcp"))
    assert symptoms_of(bug).sign == "client-bug"
    broken = caused(APIConnectionError("…", 500), ConnectionResetError())
    assert symptoms_of(broken).sign == "disconnected"


def test_a_port_that_looks_like_a_status() -> None:
    """A refused connection is one, whatever litellm reads in the address."""
    error = Renamed("Cannot connect to host 127.0.0.1:40344", 403)
    assert symptoms_of(caused(error, ConnectionRefusedError(111, "refused"))).sign == "disconnected"


def test_an_unknown_exception() -> None:
    """What is not known says what it was, and nothing else."""
    symptoms = symptoms_of(ZeroDivisionError("division by zero"))
    assert (symptoms.sign, symptoms.status) == (None, None)
    assert (symptoms.exception, symptoms.text) == ("ZeroDivisionError", "division by zero")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("litellm.BadRequestError: OpenAIException - Unknown parameter.", "Unknown parameter."),
        ("", "Renamed"),
    ],
)
def test_text(message: str, shown: str) -> None:
    """The text is the provider's, without litellm's prefixes."""
    assert symptoms_of(Renamed(message, 400)).text == shown


def test_chains_that_bite_their_tail() -> None:
    """An exception that is its own cause ends."""
    first, second = Renamed("first", 400), Renamed("second", 400)
    first.__cause__, second.__cause__ = second, first
    assert symptoms_of(first).text == "first"
