"""The `Prefer` header."""

import pytest

from outlast.errors import InvalidRequest
from outlast_app.prefer import Preference, parse_prefer, wants


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Preference(120, None)),
        ("", Preference(120, None)),
        ("respond-async", Preference(0, "respond-async")),
        ("Respond-Async", Preference(0, "respond-async")),
        ("wait=10", Preference(10, "wait=10")),
        ('wait="10"', Preference(10, "wait=10")),
        ("wait = 10", Preference(10, "wait=10")),
        ("wait=0", Preference(0, "wait=0")),
        ("respond-async, wait=10", Preference(0, "respond-async")),
        ("return=minimal, wait=5; strict", Preference(5, "wait=5")),
        ("handling=lenient", Preference(120, None)),
        ("waiting=5", Preference(120, None)),
        ("wait=86400", Preference(86400, "wait=86400")),
        ("wait=9999999", Preference(86400, "wait=86400")),
        (f"wait={'9' * 5000}", Preference(86400, "wait=86400")),
    ],
)
def test_known(header: str | None, expected: Preference) -> None:
    """What is known is applied, up to a day, and what is not is ignored, as the RFC asks."""
    assert parse_prefer(None if header is None else [header], 120) == expected


def test_several_lines() -> None:
    """A header may come in several lines."""
    assert parse_prefer(["wait=3", "respond-async"], 120) == Preference(0, "respond-async")


@pytest.mark.parametrize(
    "header", ["wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "wait=1e9"]
)
def test_waits_of_no_number(header: str) -> None:
    """A wait that is not a number of seconds is refused, with what to write."""
    with pytest.raises(InvalidRequest, match="write wait=N"):
        parse_prefer([header], 120)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (None, False),
        (["*/*"], False),
        (["text/event-stream"], True),
        (["Text/Event-Stream"], True),
        (["application/json, text/event-stream;q=0.5"], True),
        (["application/json", "text/event-stream; charset=utf-8"], True),
        (["text/event-stream;q=0"], False),
        (["text/event-stream; q=0.000, */*"], False),
        (["text/event-streams"], False),
    ],
)
def test_accept(lines: list[str] | None, wanted: bool) -> None:
    """A type is wanted when it is named, other than to refuse it."""
    assert wants("text/event-stream", lines) == wanted
