"""An error is found in whatever a provider answers, with its name, its status and its words."""

import time
from typing import Any

import pytest

from outlast_worker.models.error_bodies import find_error, read_error

BODIES: list[tuple[Any, tuple[str, int | None]]] = [
    ({"error": {"message": "no", "type": "server_error", "code": None}}, ("no", 500)),
    ({"error": {"message": "no", "code": 429}}, ("no", 429)),
    ({"error": {"message": "no", "code": "503"}}, ("no", 503)),
    ({"error": {"message": "no", "type": "rate_limit_error"}}, ("no", 429)),
    ({"error": {"message": "no", "code": "context_length_exceeded"}}, ("no", 400)),
    ({"error": {"message": "no", "status": "RESOURCE_EXHAUSTED"}}, ("no", 429)),
    ({"error": "no"}, ("no", 500)),
    ({"error": '{"error": {"message": "no", "code": 400}}'}, ("no", 400)),
    ({"error": True, "message": "no", "code": 400}, ("no", 400)),
    ([{"error": {"message": "no", "code": 400}}], ("no", 400)),
    ({"errors": [{"message": "no", "code": 400}]}, ("no", 400)),
    ({"detail": "no"}, ("no", 500)),
    ({"detail": [{"loc": ["body"], "msg": "no"}]}, ("no", 500)),
    ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, ("no", 400)),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, ("no", 529)),
    (
        {"error": {"message": "Provider failed", "code": 502, "metadata": {"raw": "no"}}},
        ("Provider failed: no", 502),
    ),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_shapes(body: Any, expected: tuple[str, int]) -> None:
    """All shapes tell the same: the provider's words, and what they mean where no status does."""
    error = find_error(body)
    assert error is not None
    symptoms = error.symptoms()
    assert (symptoms.text, symptoms.status) == expected


@pytest.mark.parametrize(
    "body", [None, 3, "x", [], {}, {"error": None}, {"choices": [], "message": "x", "code": "y"}]
)
def test_no_error(body: Any) -> None:
    """What is none is not taken for one."""
    assert find_error(body) is None


def test_the_status_of_an_answer() -> None:
    """A status that says that it failed counts before what the body says."""
    error = read_error('{"error": {"message": "no", "code": 429}}')
    assert error.symptoms(503, 2.0).status == 503
    assert error.symptoms(503, 2.0).retry_after_s == 2.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<html><style>p {}</style><body><h1>Bad\n Gateway</h1></body></html>", "Bad Gateway"),
        ("upstream is away", "upstream is away"),
        ("a < b", "a < b"),
        ("<p>Bad<script>never closed", "Bad"),
        ("", "The provider gave no reason."),
        ('{"reason": "other"}', '{"reason": "other"}'),
        ("[" * 100_000, "[" * 2000),
    ],
)
def test_other_texts(text: str, shown: str) -> None:
    """Pages are shown without their tags, and whatever else as it is."""
    assert read_error(text).text == shown


@pytest.mark.parametrize("piece", ["<", "<script ", "<script>", "<a", "<style>x</script>"])
def test_much_that_stays_open(piece: str) -> None:
    """A page that closes nothing takes no time to speak of."""
    began_s = time.process_time()
    read_error(piece * (256 * 1024 // len(piece)))
    assert time.process_time() - began_s < 1
