"""What every protocol's encoder is fed: a run's committed events, and the text between them.

The text rule is here. What is live may be said again, and otherwise, when a model call is repeated
after a crash. Here it becomes text that never contradicts what was said before: as long as the
repetition says the same, nobody notices it; when it says something else, `Retract` comes first.
Pure: no I/O, no clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import TypeAdapter

from outlast import live
from outlast.events import MessageCompleted, ReadEvent, TerminalEvent
from outlast.live import Kind
from outlast.protocol import Content, TextPart
from outlast_app.facades.called import CalledApproval
from outlast_app.facades.positions import Mark
from outlast_app.runs.feed import ShownEvent

PIECE_CHARS = 64
HELD_BACK_CHARS = 4
"""How much longer than a retracted text the new one is when it is first shown: positions of what is
said in between have room there (`outlast_app.facades.positions`)."""

_READ_EVENT: TypeAdapter[ReadEvent] = TypeAdapter(ReadEvent)


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed event: each exactly once, in order, from the first one on.

    `called` is what it changes in what runs below ask people: all that is waited for from then on,
    and what is no longer.
    """

    event: ReadEvent
    called: Sequence[CalledApproval] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """More of a turn's text or reasoning; it never contradicts what came before."""

    turn: int
    kind: Kind
    delta: str


@dataclass(frozen=True, slots=True)
class Retract:
    """All text and reasoning of the turn is void; its whole new text follows, if it has any.

    `chars` is how much of its text the client has been shown.
    """

    turn: int
    chars: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A tool says how far it is. May be lost."""

    call_id: str
    done: float
    total: float | None
    message: str | None


Item = Committed | Text | Retract | Progress


class Encoder(Protocol):
    """Turns items into a protocol's events: a plain object, one for each connection.

    All that it says and numbers follows from committed events alone, but for the text itself. So
    one that is fed a run from its beginning, and says nothing until it has come to where its client
    is, goes on exactly as the one whose connection broke.
    """

    shows_called: ClassVar[bool]
    """Whether it is to be told what runs below ask people, which may have to be read."""

    def take(self, item: Item) -> Iterator[bytes]:
        """Return what the client is to be sent for this item, framed."""
        ...

    def end(self) -> Iterator[bytes]:
        """Return what is sent last, when the stream is over before the segment is."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the segment has ended, and all was said."""
        ...


class TextRule:
    """Turns what is shown of one run into items."""

    def __init__(self, mark: Mark | None = None) -> None:
        """Begin; with a mark, in the middle of the text that a client has been shown so far."""
        self._mark = mark
        self._turn = _TurnText(0)
        self._completed = 0

    def take(self, shown: ShownEvent) -> Iterator[Item]:
        """Return what follows from an event."""
        if shown.seq is None:
            yield from self._take_live(live.read_line(shown.data))
        else:
            yield from self._take_committed(read_event(shown))

    def _take_live(self, said: live.LiveItem) -> Iterator[Item]:
        match said:
            case live.Progress():
                yield Progress(*said)
            case live.Committed():
                pass
            case _ if said.turn <= self._completed:
                pass
            case live.Reset():
                self._of(said.turn).forget()
            case live.Snapshot():
                turn = self._of(said.turn)
                turn.forget()
                turn.add("reasoning", said.reasoning)
                turn.add("text", said.text)
                yield from turn.tell()
            case live.Delta():
                turn = self._of(said.turn)
                turn.add(said.kind, said.text)
                yield from turn.tell()

    def _take_committed(self, event: ReadEvent) -> Iterator[Item]:
        if isinstance(event, MessageCompleted):
            yield from self._of(event.turn).settle(text_of(event.message.content))
            self._completed = event.turn
        elif isinstance(event, TerminalEvent):
            if self._mark and self._mark.turn > self._completed:
                self._of(self._mark.turn)
            yield from self._turn.withdraw()
        yield Committed(event)

    def _of(self, number: int) -> "_TurnText":
        if self._turn.number != number:
            mark = self._mark if self._mark and self._mark.turn == number else None
            self._turn = _TurnText(number, mark)
        return self._turn


class _TurnText:
    """One turn's text: what was told of it, and what it is now."""

    def __init__(self, number: int, mark: Mark | None = None) -> None:
        self.number = number
        self._mark = mark if mark and mark.chars else None
        """Up to where the client has been told, before it is known what it was told."""
        self._told = {"text": "", "reasoning": ""}
        self._now = {"text": "", "reasoning": ""}
        self._settled = False

    def forget(self) -> None:
        self._now = {"text": "", "reasoning": ""}

    def add(self, kind: Kind, text: str) -> None:
        self._now[kind] += text

    def tell(self) -> Iterator[Item]:
        """Return what is new, as long as it goes on with what was told."""
        yield from self._recognize()
        if self._contradicts("text") or self._contradicts("reasoning"):
            if len(self._now["text"]) >= self._told_chars + HELD_BACK_CHARS:
                yield from self._begin_anew()
        elif not self._mark:
            yield from self._tell_rest("reasoning")
            yield from self._tell_rest("text")

    def settle(self, text: str) -> Iterator[Item]:
        """Return what is missing of the text that counts."""
        # What it thought is not settled: mostly nobody keeps it.
        self._now = {"text": text, "reasoning": self._told["reasoning"]}
        self._settled = True
        yield from self._recognize()
        if self._mark or not text.startswith(self._told["text"]):
            yield from self._begin_anew()
        else:
            yield from self._tell_rest("text")

    def withdraw(self) -> Iterator[Item]:
        """Return that what was told is void, if nothing has settled it."""
        if not self._settled and (self._told_chars or self._told["reasoning"]):
            self.forget()
            yield from self._begin_anew()

    @property
    def _told_chars(self) -> int:
        return self._mark.chars if self._mark else len(self._told["text"])

    def _recognize(self) -> Iterator[Item]:
        """Find out what the client has been told, as soon as the text is as long again."""
        if self._mark and self._mark.fits(self._now["text"]):
            known = self._told["text"] = self._now["text"][: self._mark.chars]
            self._mark = None
            yield Text(self.number, "text", known)

    def _contradicts(self, kind: Kind) -> bool:
        told, now = self._told[kind], self._now[kind]
        if kind == "text" and self._mark:
            return len(now) >= self._mark.chars
        return not (now.startswith(told) or told.startswith(now))

    def _begin_anew(self) -> Iterator[Item]:
        shown = self._told_chars
        yield Retract(self.number, shown)
        self._mark, self._told = None, {"text": "", "reasoning": ""}
        yield from self._tell_rest("reasoning")
        yield from self._tell_rest("text", shown + HELD_BACK_CHARS if shown else 0)

    def _tell_rest(self, kind: Kind, at_least: int = 0) -> Iterator[Item]:
        told, now = self._told[kind], self._now[kind]
        if len(now) > len(told):
            self._told[kind] = now
            for piece in pieces(now[len(told) :], at_least):
                yield Text(self.number, kind, piece)


def read_event(shown: ShownEvent) -> ReadEvent:
    """Return a committed event that is shown."""
    return _READ_EVENT.validate_json(shown.data)


def pieces(text: str, at_least: int = 0) -> Iterator[str]:
    """Cut a text at blanks into pieces of at most `PIECE_CHARS`.

    Clients that leave out by number what they have seen lose, or double, less than a line. The
    first piece has so many characters at least, however many that are.
    """
    start = 0
    while len(text) - start > max(PIECE_CHARS, at_least):
        end = start + max(PIECE_CHARS, at_least)
        blank = text.rfind(" ", start + at_least, end) + 1
        end = blank if blank > start else end
        yield text[start:end]
        start, at_least = end, 0
    if start < len(text):
        yield text[start:]


def text_of(content: Content) -> str:
    """Return the text of a message."""
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, TextPart))
