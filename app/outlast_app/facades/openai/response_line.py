"""The line of a response's events: each has its number, and its place among the items."""

from collections.abc import Iterator
from typing import Any

from outlast_app.facades.positions import Numbers
from outlast_app.facades.streams import frame

REST = 0
"""The slot of text that comes with its commit, before all that is counted."""


class EventLine:
    """Numbers events, keeps the items that they are about, and says what the client lacks."""

    def __init__(self, after: int) -> None:
        """Begin.

        Args:
            after: Nothing is said up to this number, which the client has.
        """
        self.after = after
        self.turn = 0
        """The last turn that something is known of."""
        self.items: list[dict[str, Any]] = []
        self._number = -1
        self._settled: dict[int, int] = {}

    def says(self, number: int) -> bool:
        """Tell whether the client lacks the event of a number."""
        return number > self.after

    def has_room_for(self, number: int) -> bool:
        """Tell whether a number rises."""
        return number > self._number

    def say(self, number: int, kind: str, **fields: Any) -> Iterator[bytes]:
        """Say an event."""
        self._number = number
        if self.says(number):
            yield frame({"type": kind, "sequence_number": number, **fields}, kind)

    def add(self, item: dict[str, Any], number: int) -> Iterator[bytes]:
        """Begin an item."""
        index = len(self.items)
        self.items.append(item)
        yield from self.say(number, "response.output_item.added", output_index=index, item=item)

    def finish(self, index: int, item: dict[str, Any], turn: int | None = None) -> Iterator[bytes]:
        """End an item."""
        self.items[index] = item
        kind = "response.output_item.done"
        yield from self.say(self.count(turn), kind, output_index=index, item=item)

    def count(self, turn: int | None = None) -> int:
        """Return the number of the next event of what is committed, in a turn."""
        of = self.turn if turn is None else turn
        self._settled[of] = self._settled.get(of, REST) + 1
        return Numbers.settled(of, self._settled[of])
