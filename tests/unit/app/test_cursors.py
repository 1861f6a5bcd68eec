"""Cursors: opaque to clients, and checked."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from outlast.errors import InvalidRequest
from outlast_app.cursors import Cursor, position

AT = datetime(2026, 11, 23, 11, 45, 21, 52633, tzinfo=UTC)


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("name", ["tester.aaaaaaaaaaaaaaaaaaaaaaaaaa", "a", "A:b_c-d.e", "x" * 128])
@pytest.mark.parametrize("at", [AT, datetime(1970, 1, 1, tzinfo=UTC), AT.replace(microsecond=0)])
def test_what_was_written_is_read(name: str, at: datetime) -> None:
    """A cursor comes back as it was, to the microsecond."""
    cursor = Cursor("threads", at, name)
    assert Cursor.read(cursor.write(), "threads") == cursor


def test_no_cursor() -> None:
    """Without a cursor a listing begins at its begin."""
    assert Cursor.read(None, "runs") is None
    assert position(None) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "====",
        "a" * 1000,
        encoded("runs 1 "),
        encoded("runs -1 a"),
        encoded("runs 1.5 a"),
        encoded("runs 12345678901234567 a"),
        encoded("runs 9999999999999999 a"),
        encoded("runs ² a"),
        encoded("runs 1 a'b"),
        encoded("runs 1 a b"),
        encoded("runs 1 a\n"),
        encoded("other 1 a"),
        encoded("threads 1 a"),
        urlsafe_b64encode(b"runs 1 \xff").decode(),
    ],
    ids=range(17),
)
def test_other_texts_are_refused(text: str) -> None:
    """What is not a cursor of this listing is a 422 that names the parameter."""
    with pytest.raises(InvalidRequest) as refused:
        Cursor.read(text, "runs")
    assert refused.value.extra["errors"][0]["field"] == "query.cursor"


def test_order() -> None:
    """Of two items the later one comes first, and at the same time the one with the larger name."""
    earlier, later = Cursor("runs", AT - timedelta(microseconds=1), "z"), Cursor("runs", AT, "a")
    assert earlier < later < Cursor("runs", AT, "b")
