"""The text rule: what an encoder is fed never contradicts itself, and ends as what is committed."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.retold import Telling, connections, tellings
from fakes.watching import RUN_ID, completed, said, started
from outlast.events import MessageCompleted, ReadEvent
from outlast.live import Delta, LiveItem, Progress, Reset, Snapshot, write_line
from outlast_app.facades.items import (
    PIECE_CHARS,
    Committed,
    Item,
    Retract,
    Text,
    TextRule,
    pieces,
)
from outlast_app.facades.items import Progress as ToolProgress
from outlast_app.facades.positions import Mark, check_of
from outlast_app.runs.feed import ShownEvent


def fed(rule: TextRule, *happened: LiveItem | ReadEvent) -> list[Item]:
    return [item for each in happened for item in rule.take(_shown(each))]


def _shown(item: LiveItem | ReadEvent) -> ShownEvent:
    if isinstance(item, tuple):
        return ShownEvent(item.type, write_line(RUN_ID, item))
    return ShownEvent.of(item)


def words(*texts: str, attempt: int = 0) -> Iterator[LiveItem]:
    """Yield a model call that says these."""
    yield Reset(1, attempt)
    for n, text in enumerate(texts):
        yield Delta("text", 1, attempt, n, text)


def test_what_is_streamed() -> None:
    """Text is passed on as it comes, and is not said again with its commit."""
    answer = said(2, text="Hello you")
    items = fed(TextRule(), started(1), *words("Hello", " you"), answer)
    told = [Text(1, "text", "Hello"), Text(1, "text", " you")]
    assert items == [Committed(started(1)), *told, Committed(answer)]


def test_the_same_again() -> None:
    """Nobody notices a model call that is repeated and says the same, or goes on with it."""
    items = fed(TextRule(), *words("Hello", " you"), *words("He", "llo yo", "u there", attempt=1))
    assert items == [Text(1, "text", each) for each in ("Hello", " you", " there")]


def test_something_else() -> None:
    """Other words take back those before, as soon as they are longer; shorter ones with the end."""
    rule = TextRule()
    assert fed(rule, *words("Hello", " you")) != []
    assert fed(rule, *words("Good", " morning", attempt=1)) == []  # 12 of 13 characters
    retold = fed(rule, Delta("text", 1, 1, 2, " to you"))
    assert retold == [Retract(1, 9), Text(1, "text", "Good morning to you")]
    short = said(2, text="Good")
    assert fed(rule, short) == [Retract(1, 19), Text(1, "text", "Good"), Committed(short)]


def test_nothing_else() -> None:
    """What a repeated call no longer says is taken back; so is what a run never committed."""
    nothing = said(2, text="")
    assert fed(TextRule(), *words("Hi"), nothing) == [
        Text(1, "text", "Hi"),
        Retract(1, 2),
        Committed(nothing),
    ]
    end = completed(2)
    assert fed(TextRule(), *words("Hi"), end)[1:] == [Retract(1, 2), Committed(end)]


def test_thoughts_that_change() -> None:
    """Reasoning is text of its own kind: other thoughts take back those before."""
    rule = TextRule()
    fed(rule, Reset(1, 0), Delta("reasoning", 1, 0, 0, "hm"))
    fed(rule, Reset(1, 1), Delta("reasoning", 1, 1, 0, "well"))
    assert fed(rule, Delta("text", 1, 1, 1, "Hello")) == [
        Retract(1, 0),
        Text(1, "reasoning", "well"),
        Text(1, "text", "Hello"),
    ]


def test_who_comes_late() -> None:
    """A snapshot is text like any other; previews of what is committed are not shown."""
    late = fed(TextRule(), Snapshot(1, 7, 3, "Hello you", "hm"), Delta("text", 1, 7, 3, "!"))
    assert late == [
        Text(1, "reasoning", "hm"),
        Text(1, "text", "Hello you"),
        Text(1, "text", "!"),
    ]
    assert fed(TextRule(), said(2), *words("old")) == fed(TextRule(), said(2))


def test_how_far_a_tool_is() -> None:
    """Progress is passed on."""
    assert fed(TextRule(), Progress("1.0", 2, 3, "m")) == [ToolProgress("1.0", 2, 3, "m")]


@pytest.mark.parametrize("shown", ["Hello", "Hullo"])
def test_in_the_middle(shown: str) -> None:
    """Whoever resumes within a text gets the rest of it, or hears that what they have is void."""
    mark = Mark(1, len(shown), check_of(shown))
    assert check_of("Hello") != check_of("Hullo")
    whole = said(2, text="Hello you there")
    items = fed(TextRule(mark), *words("Hel"), *words("Hello you", " there", attempt=1), whole)
    if shown == "Hello":
        # The encoder hears of what the client has, and says nothing of it.
        told = [Text(1, "text", each) for each in ("Hello", " you", " there")]
    else:
        told = [Retract(1, 5), Text(1, "text", "Hello you"), Text(1, "text", " there")]
    assert items == [*told, Committed(whole)]


@given(st.text("ab ", max_size=400), st.integers(0, 200))
def test_pieces(text: str, at_least: int) -> None:
    """They add up; the first has what it must have, and none other is longer than it may be."""
    cut = list(pieces(text, at_least))
    assert "".join(cut) == text
    assert all(cut)
    assert all(len(piece) <= max(PIECE_CHARS, at_least) for piece in cut)
    assert not cut or len(cut[0]) >= min(at_least, len(text))


class Folding:
    """A client of no protocol: it keeps what it hears, over any number of connections."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._text: dict[int, str] = {}
        self._settled: set[int] = set()
        self._resumed: list[tuple[int, str]] = []
        self.seq = 0

    def read(self, joined: int, left: int) -> None:
        """Follow over one connection."""
        turn = max(self._text, default=0)
        shown = "" if turn in self._settled else self._text.get(turn, "")
        self._resumed.append((turn, shown))
        rule = TextRule(Mark(turn, len(shown), check_of(shown)) if shown else None)
        known = len(shown)
        for event in self._telling.shown_to(joined, left):
            for item in rule.take(event):
                if isinstance(item, Text) and item.turn == turn and known:
                    assert len(item.delta) == known  # what it has is said in one piece
                    known = 0
                elif isinstance(item, Retract) and item.turn == turn and known:
                    assert item.chars == known
                    known, self._text[turn] = 0, ""
                else:
                    self._take(item)

    def _take(self, item: Item) -> None:
        match item:
            case Text(turn, "text", delta) if turn not in self._settled:
                self._text[turn] = self._text.get(turn, "") + delta
            case Retract(turn) if turn not in self._settled:
                self._text[turn] = ""
            case Committed(event) if event.seq > self.seq:
                assert event.seq == self.seq + 1
                self.seq = event.seq
                if isinstance(event, MessageCompleted):
                    self._settle(event.turn, str(event.message.content))
            case _:
                pass

    def _settle(self, turn: int, text: str) -> None:
        folded = self._text.get(turn, "")
        if folded != text:
            # Only where a text was taken for another one: 1 in 16 of those that differ.
            tries = [attempt.text for attempt in self._telling.attempts[turn]]
            assert any(
                check_of(other[: len(shown)]) == check_of(shown) and other[: len(shown)] != shown
                for number, shown in self._resumed
                if number == turn
                for other in [text, *tries]
            ), (folded, text)
        self._text[turn] = text
        self._settled.add(turn)

    def end(self) -> None:
        """Check that nothing is left of what was never committed."""
        for turn, text in self._text.items():
            assert turn in self._settled or not text


@settings(max_examples=200)
@given(tellings(), connections)
def test_cut_anywhere(telling: Telling, places: list[tuple[int, int]]) -> None:
    """What a client folds is what the run says, however often it, or a model call, breaks off."""
    client = Folding(telling)
    for joined, left in telling.cut(places):
        client.read(joined, left)
    client.end()
    assert client.seq == sum(not isinstance(each, tuple) for each in telling.happened)
