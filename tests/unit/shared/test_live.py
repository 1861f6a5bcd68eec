"""The lines of the live channel are the events that clients are promised."""

import pytest
from pydantic import TypeAdapter

from outlast.events import AnyLiveEvent
from outlast.live import (
    Committed,
    Delta,
    LiveItem,
    Progress,
    Reset,
    Snapshot,
    read_line,
    write_line,
)

_EVENT: TypeAdapter[AnyLiveEvent] = TypeAdapter(AnyLiveEvent)
_ITEMS = [
    Reset(1, 7),
    Delta("text", 1, 7, 0, 'über "alles"\n\u2028\x85'),
    Delta("reasoning", 1, 7, 1, "hm"),
    Snapshot(1, 7, 2, "text", "reasoning"),
    Progress("1.0", 1.5, None, None),
    Progress("1.0", 1.0, 2.0, "half \U0001f600"),
]


@pytest.mark.parametrize("item", _ITEMS)
def test_line_is_the_event(item: LiveItem) -> None:
    """Clients get a line as it is, so it has all the fields of its event, in the same form."""
    line = write_line("r", item)
    assert _EVENT.validate_json(line).model_dump_json().encode() == line
    assert b"\n" not in line


@pytest.mark.parametrize("item", [*_ITEMS, Committed(3, 1)])
def test_both_ends_agree(item: LiveItem) -> None:
    """What is read is what was written."""
    assert read_line(write_line("r", item)) == item


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"type":"new"}', b'{"type":"committed"}'])
def test_what_is_no_item(line: bytes) -> None:
    """It is refused in one way."""
    with pytest.raises(ValueError):
        read_line(line)
