"""Events are cut out of bytes, wherever the network cuts those."""

import pytest

from outlast_worker.models.http.sse import EventReader

STREAM = (
    b": keep-alive\r\n\r\n"
    b"id: 1\r\nevent: x\r\nretry: 5\r\ndata: one\r\n\r\n"
    b"data:two\n\n\n"
    b"data: th\ndata: ree\n\n"
    b"data: \xe4\xbd\xa0 \xe2\x80\xa8 \xc2\x85\r\r"
    b"data:\n\n"
    b"data: last"
)
EVENTS = [b"one", b"two", b"th\n ree", b"\xe4\xbd\xa0 \xe2\x80\xa8 \xc2\x85", b"last"]


def read(*pieces: bytes) -> list[bytes]:
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [event.strip() for event in [*events, *reader.end()] if event.strip()]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000])
def test_pieces_of_any_size(size: int) -> None:
    """The same events come out, however the bytes come: within a character, between CR and LF."""
    assert read(*(STREAM[i : i + size] for i in range(0, len(STREAM), size))) == EVENTS


def test_an_event_is_there_once_its_empty_line_is() -> None:
    """Nothing waits for what comes after it."""
    reader = EventReader()
    assert reader.feed(b"data: 1\r\n\r") == [b" 1"]
    assert reader.feed(b"\ndata: 2\n") == []
    assert reader.feed(b"\n") == [b" 2"]


def test_a_long_line() -> None:
    """Its many pieces are joined once, not at each of them."""
    assert read(b"data: ", *[b"x" * 10] * 10_000, b"\n\n") == [b"x" * 100_000]
