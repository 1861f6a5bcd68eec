"""What a stream says when much of a run comes at once."""

import pytest

from fakes.frames import read_frames
from fakes.scenarios import SCENARIOS, Happened, items_of, shown
from fakes.watching import RUN_ID
from outlast_app.closing import Closing
from outlast_app.facades.openai.chat_encoder import ChatEncoder, ChatName
from outlast_app.facades.reader import SegmentReader
from outlast_app.facades.streams import encoded
from outlast_app.runs.feed import ShownEvent


class AllAtOnce:
    """Shows all that happened in one go."""

    def __init__(self, happened: Happened) -> None:
        self._left = [[], list(shown(happened))]

    async def next(self) -> list[ShownEvent]:
        return self._left.pop()

    def leave(self) -> None:
        pass


def encoder() -> ChatEncoder:
    return ChatEncoder(ChatName(RUN_ID, 1, "tester", 1767225600))


@pytest.mark.parametrize("name", SCENARIOS)
async def test_all_at_once(name: str) -> None:
    """It says what it says piece by piece, and nothing after its last word."""
    happened = SCENARIOS[name]()
    slow, expected = encoder(), list[bytes]()
    for item in items_of(happened):
        if not slow.is_over:
            expected += slow.take(item)
    with SegmentReader(AllAtOnce(happened)) as reader:
        parts = [part async for part in encoded(reader, encoder(), Closing())]
    assert read_frames(parts) == read_frames([*expected, *slow.end()])
