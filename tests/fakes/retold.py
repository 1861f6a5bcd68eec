"""Runs whose answers are told again and otherwise, as Hypothesis draws them and clients see them.

A `Telling` is what happens to a run, in order. A connection that joins at any moment of it is shown
what the app shows its followers: what is committed, then the answer so far, then what comes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from fakes.records import NOON
from fakes.scenarios import BELOW, PAYS
from fakes.watching import COMPLETED, RUN_ID
from outlast.events import (
    MessageCompleted,
    ReadEvent,
    RunCompleted,
    RunFailed,
    RunStarted,
    RunWaiting,
    TerminalEvent,
    TurnStarted,
)
from outlast.live import Delta, LiveItem, Reset, Snapshot, write_line
from outlast.protocol import Message, Usage
from outlast_app.runs.feed import ShownEvent

# Few letters, so that two answers often begin alike; blanks, at which pieces are cut.
_TEXTS = st.text("ab ", max_size=150)
_CUTS = st.lists(st.integers(0, 150), max_size=4)


connections = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=5)
"""How much a client misses before each connection, and sees over it."""


@dataclass(frozen=True)
class Attempt:
    """One model call: what it said, in which pieces, and whether it came to its end."""

    pieces: tuple[tuple[str, str], ...]
    """Of which kind, and what."""

    @property
    def text(self) -> str:
        return "".join(piece for kind, piece in self.pieces if kind == "text")


@dataclass(frozen=True)
class Telling:
    """What happens to a run, in order."""

    happened: tuple[LiveItem | ReadEvent, ...]
    attempts: dict[int, list[Attempt]]
    """Of each turn: all that was ever said in it."""

    def cut(self, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yield when each connection joins and breaks; the last one sees the end."""
        at, end = 0, len(self.happened)
        for away, connected in places:
            joined = min(at + away, end)  # things happen before it is back
            at = min(joined + connected, end)
            yield joined, at
        yield at, end

    def shown_to(self, joined: int, left: int) -> Iterator[ShownEvent]:
        """Yield what a connection is shown that joins at one moment and breaks at another one."""
        before, live = self.happened[:joined], None
        for item in before:
            if isinstance(item, Reset | Delta):
                live = _grown(live, item)
            else:
                live = None if isinstance(item, MessageCompleted | TerminalEvent) else live
                yield ShownEvent.of(item)  # pyright: ignore[reportArgumentType]  # no snapshots here
        if live:
            yield _live(live if live.text or live.reasoning else Reset(live.turn, live.attempt))
        for item in self.happened[joined:left]:
            yield _live(item) if isinstance(item, Reset | Delta) else ShownEvent.of(item)  # pyright: ignore[reportArgumentType]


def _grown(live: Snapshot | None, item: Reset | Delta) -> Snapshot:
    if isinstance(item, Reset) or live is None:
        return Snapshot(item.turn, item.attempt, 0, "", "")
    text = live.text + (item.text if item.kind == "text" else "")
    reasoning = live.reasoning + (item.text if item.kind == "reasoning" else "")
    return Snapshot(item.turn, item.attempt, item.n + 1, text, reasoning)


def _live(item: LiveItem) -> ShownEvent:
    return ShownEvent(item.type, write_line(RUN_ID, item))


@st.composite
def attempts(draw: st.DrawFn, text: str, *, whole: bool) -> Attempt:
    """Draw how a text is streamed, perhaps after some reasoning, and perhaps not to its end."""
    said = [("reasoning", draw(st.sampled_from(["hm", "well", ""])))]
    said += [("text", piece) for piece in _cut(text, draw(_CUTS))]
    said = [(kind, piece) for kind, piece in said if piece]
    if not whole:
        said = said[: draw(st.integers(0, len(said)))]
    return Attempt(tuple(said))


def _cut(text: str, at: Sequence[int]) -> list[str]:
    places = sorted({0, len(text), *(place for place in at if place < len(text))})
    return [text[begin:end] for begin, end in pairwise(places)]


@st.composite
def tellings(draw: st.DrawFn, *, asks: bool = False) -> Telling:
    """Draw a run of some turns, in each of which the model is asked until it has answered.

    With `asks` runs below it ask people between them, mostly.
    """
    happened: list[LiveItem | ReadEvent] = []
    said: dict[int, list[Attempt]] = {}
    seqs = iter(range(1, 1000))
    happened.append(RunStarted(run_id=RUN_ID, seq=next(seqs)))
    killed = draw(st.booleans())
    turns, segment = draw(st.integers(1, 3)), 0
    for turn in range(1, turns + 1):
        happened.append(TurnStarted(run_id=RUN_ID, seq=next(seqs), turn=turn))
        text = draw(_TEXTS)
        tries = said[turn] = []
        for number in range(draw(st.integers(0, 3))):
            # It says the same again, goes on otherwise, or says something else.
            shared = draw(st.integers(0, len(text)))
            other = draw(st.sampled_from([text, text[:shared] + draw(_TEXTS)]))
            tries.append(draw(attempts(other, whole=number % 2 == 0)))
        if not (killed and turn == turns):
            tries.append(draw(attempts(text, whole=draw(st.booleans()))))
        for number, attempt in enumerate(tries):
            happened.append(Reset(turn, number))
            for n, (kind, piece) in enumerate(attempt.pieces):
                happened.append(Delta(kind, turn, number, n, piece))  # pyright: ignore[reportArgumentType]
        if not (killed and turn == turns):
            happened.append(_completed(next(seqs), turn, text))
        if asks and turn < turns and draw(st.booleans()):
            segment += 1
            happened.append(_waiting(next(seqs), segment))
    end = RunFailed if killed else RunCompleted
    happened.append(end(run_id=RUN_ID, seq=next(seqs), run=COMPLETED))
    return Telling(tuple(happened), said)


def _waiting(seq: int, segment: int) -> RunWaiting:
    return RunWaiting(
        run_id=RUN_ID, seq=seq, segment=segment, waiting_for="child", approvals=[PAYS, BELOW]
    )


def _completed(seq: int, turn: int, text: str) -> MessageCompleted:
    said = Message(id=f"m{turn}", role="assistant", content=text, run_id=RUN_ID, created_at=NOON)
    return MessageCompleted(
        run_id=RUN_ID,
        seq=seq,
        turn=turn,
        message=said,
        usage=Usage(input_tokens=3, output_tokens=2, model_calls=1),
        model="m",
        finish_reason="stop",
    )
