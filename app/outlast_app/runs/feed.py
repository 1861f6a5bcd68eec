"""What the followers of one run are shown, held once for all of them in this process.

One reader fills a feed. Followers have no queues: each knows how far it has read, so that one
that is slow, or never reads, costs nothing and gets a snapshot of what it missed.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Self

from outlast.events import MessageCompleted, ReadEvent, ToolCallCompleted
from outlast.live import Delta, Progress, Reset, Snapshot, write_line
from outlast_app.live.source import Heard

# Of what is committed. Who needs what came before reads it by itself.
_KEPT_BYTES = 1024 * 1024
# Who is further behind gets a snapshot.
_KEPT_PIECES = 200


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event as clients get it; `data` is its JSON. Committed ones have a `seq`.

    `position` is what a client sends to go on after it, where that is not the `seq`.
    """

    type: str
    data: bytes
    seq: int | None = None
    position: str | None = None

    @classmethod
    def of(cls, event: ReadEvent) -> Self:
        """Return a committed one."""
        return cls(event.type, event.model_dump_json().encode(), event.seq)


class _Answer:
    """A model's answer as it grows."""

    def __init__(self, run_id: str, turn: int, attempt: int) -> None:
        self.name = turn, attempt
        self.n = 0
        """The number of the next piece."""
        self.recent: deque[ShownEvent] = deque(maxlen=_KEPT_PIECES)
        self._run_id = run_id
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._snapshot: tuple[int, ShownEvent] | None = None

    def add(self, delta: Delta, event: ShownEvent) -> None:
        (self._text if delta.kind == "text" else self._reasoning).append(delta.text)
        self.recent.append(event)
        self.n += 1

    def replace(self, snapshot: Snapshot) -> None:
        self._text, self._reasoning = [snapshot.text], [snapshot.reasoning]
        self.recent.clear()
        self.n = snapshot.n

    def reset(self) -> ShownEvent:
        return _shown(self._run_id, Reset(*self.name))

    def snapshot(self) -> ShownEvent:
        """Return all that was said; made once for all who need it now."""
        if self._snapshot is None or self._snapshot[0] != self.n:
            text, reasoning = "".join(self._text), "".join(self._reasoning)
            item = Snapshot(*self.name, self.n, text, reasoning)
            self._snapshot = self.n, _shown(self._run_id, item)
        return self._snapshot[1]


class RunFeed:
    """A run's committed events up to `seq`, and what is said of it beside them."""

    def __init__(self, run_id: str) -> None:
        self.seq = 0
        self.is_placed = True
        """Whether there is an event of that number, as far as anybody knows."""
        self.ended = False
        self.answer: _Answer | None = None
        self.committed: deque[ShownEvent] = deque()
        self.progress: dict[str, tuple[int, ShownEvent]] = {}
        """The last word on each call, by its id, with its number."""
        self.progress_count = 0
        self.caught_up = asyncio.Event()
        """Somebody has read all that is committed."""
        self._run_id = run_id
        self._completed_turn = 0
        self._bytes = 0
        self._watchers: set[asyncio.Event] = set()

    def begin_after(self, seq: int) -> None:
        """Begin with the event after this one, if there turns out to be one."""
        self.seq = seq
        self.is_placed = seq == 0

    def commit(self, events: Iterable[ReadEvent]) -> None:
        """Add the committed events that follow; what they settle is shown no longer."""
        added = 0
        for event in events:
            shown = ShownEvent.of(event)
            self.is_placed = True
            self.committed.append(shown)
            added += len(shown.data)
            self.seq = event.seq
            if isinstance(event, MessageCompleted):
                self.complete_turn(event.turn)
            elif isinstance(event, ToolCallCompleted):
                self.progress.pop(event.call_id, None)
        if not added:
            return
        self._bytes += added
        while self._bytes > max(_KEPT_BYTES, added):
            self._bytes -= len(self.committed.popleft().data)
        self.caught_up.clear()
        self.wake()

    def complete_turn(self, turn: int) -> None:
        """Show no previews of this turn and those before."""
        self._completed_turn = max(self._completed_turn, turn)
        if self.answer and self.answer.name[0] <= turn:
            self.answer = None

    def end(self) -> None:
        """Say that nothing follows."""
        self.ended = True
        self.answer = None
        self.progress.clear()
        self.wake()

    def show(self, heard: Heard) -> None:
        """Take in what was said live; `wake` lets the followers see it."""
        item, line = heard
        if isinstance(item, Progress):
            self.progress_count += 1
            self.progress[item.call_id] = self.progress_count, ShownEvent(item.type, line)
        elif isinstance(item, Reset | Delta | Snapshot) and item.turn > self._completed_turn:
            self._show_answer(item, line)

    def _show_answer(self, item: Reset | Delta | Snapshot, line: bytes) -> None:
        answer = self.answer
        if answer is None or answer.name != (item.turn, item.attempt):
            if isinstance(item, Delta):
                return  # its beginning is unknown
            answer = self.answer = _Answer(self._run_id, item.turn, item.attempt)
        # After a new connection the channel repeats what is known here.
        if isinstance(item, Snapshot) and item.n > answer.n:
            answer.replace(item)
        elif isinstance(item, Delta) and item.n == answer.n:
            answer.add(item, ShownEvent(item.type, line))

    def condense(self) -> None:
        """Have those who lack a piece of the answer get all of it at once."""
        if self.answer:
            self.answer.recent.clear()

    def wake(self) -> None:
        """Let followers read."""
        for watcher in self._watchers:
            watcher.set()

    def watch(self) -> asyncio.Event:
        """Return an event that is set whenever there is something to read."""
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: asyncio.Event) -> None:
        """Forget such an event."""
        self._watchers.discard(watcher)

    @property
    def first_seq(self) -> int:
        """The number of the first committed event that is held, or would be."""
        return self.seq - len(self.committed) + 1


class FeedCursor:
    """How far one follower has read a feed."""

    def __init__(self, feed: RunFeed, after: int) -> None:
        self.seq = after
        self._feed = feed
        self._late_for = feed.answer and feed.answer.name
        self._answer: tuple[int, int] | None = None
        self._n = 0
        self._progress = 0

    @property
    def is_behind(self) -> bool:
        """Whether the next committed event is no longer held."""
        return self._feed.is_placed and self.seq < self._feed.first_seq - 1

    def take(self, events: Iterable[ShownEvent]) -> list[ShownEvent]:
        """Return those that are new of what was committed before the feed's first event."""
        new: list[ShownEvent] = []
        for event in events:
            if event.seq and event.seq > self.seq:
                self.seq = event.seq
                new.append(event)
        if not new:
            self.seq = max(self.seq, self._feed.first_seq - 1)  # they were purged
        return new

    def read(self) -> list[ShownEvent]:
        """Return what is new."""
        feed = self._feed
        events: list[ShownEvent] = []
        if feed.is_placed and self.seq < feed.seq:
            events += islice(feed.committed, self.seq + 1 - feed.first_seq, None)
            self.seq = feed.seq
        feed.caught_up.set()
        if feed.answer:
            events += self._read_answer(feed.answer)
        if self._progress < feed.progress_count:
            events += [event for n, event in feed.progress.values() if n > self._progress]
            self._progress = feed.progress_count
        return events

    def _read_answer(self, answer: _Answer) -> list[ShownEvent]:
        is_new = self._answer != answer.name
        if is_new:
            self._answer, self._n = answer.name, 0
        unread, self._n = answer.n - self._n, answer.n
        late = is_new and answer.name == self._late_for
        if unread > len(answer.recent) or (late and unread):
            return [answer.snapshot()]
        # From the end, since those are few and the others may be many.
        newest = [answer.recent[-index] for index in range(unread, 0, -1)]
        return [answer.reset(), *newest] if is_new else newest


def _shown(run_id: str, item: Reset | Snapshot) -> ShownEvent:
    return ShownEvent(item.type, write_line(run_id, item))
