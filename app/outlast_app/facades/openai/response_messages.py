"""The messages of a response: text as it is written, taken back, and done."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from outlast.events import MessageCompleted, OutputRejected, ReadEvent
from outlast_app.facades.ids import name_of
from outlast_app.facades.items import text_of
from outlast_app.facades.openai.response_line import REST, EventLine
from outlast_app.facades.openai.response_object import Facts, message_item, text_part
from outlast_app.facades.positions import MAX_CHARS, Numbers, RunningCheck


@dataclass
class _Message:
    """A message that is being written."""

    turn: int
    index: int
    part: int = 0
    text: str = ""
    rest: str = ""
    check: RunningCheck = field(default_factory=RunningCheck)


class Messages:
    """Says what the model says, a message for each turn that has text."""

    def __init__(self, facts: Facts, line: EventLine) -> None:
        self.void: set[int] = set()
        """Places of items that the client was shown, and that came to nothing."""
        self._facts = facts
        self._line = line
        self._open: _Message | None = None
        self._answer: MessageCompleted | None = None
        """An answer of which the next event says whether it counts."""

    def write(self, turn: int, delta: str) -> Iterator[bytes]:
        """Go on with the text of a turn."""
        message = yield from self._of(turn)
        message.text += delta
        message.check.add(delta)
        chars = message.check.chars
        number = Numbers.live(turn, chars, message.check.check)
        if message.rest or chars > MAX_CHARS or not self._line.has_room_for(number):
            message.rest += delta  # it has no number before its commit
            return
        yield from self._say_delta(message, number, delta)

    def take_back(self, turn: int, chars: int) -> Iterator[bytes]:
        """Make the text void that the client has been shown, and begin another part."""
        message = yield from self._of(turn)
        chars = min(chars, MAX_CHARS)
        # What is void is no text that is done: a client would parse that.
        yield from self._say_part("done", message, Numbers.retracting(turn, chars, 0))
        message.part += 1
        message.text = message.rest = ""
        message.check = RunningCheck()
        yield from self._say_part("added", message, Numbers.retracting(turn, chars, 1))

    def complete(self, event: MessageCompleted) -> Iterator[bytes]:
        """Say what is missing of a message that is committed, and end it if it is known as what."""
        text = text_of(event.message.content)
        message = self._open
        if message is None:
            if not text:
                return
            message = yield from self._of(event.turn)
            message.text = text
        if message.rest:
            yield from self._say_delta(message, Numbers.settled(event.turn, REST), message.rest)
        if event.message.tool_calls:
            yield from self.close(text, "commentary")
        else:
            self._answer = event

    def settle(self, event: ReadEvent) -> Iterator[bytes]:
        """End an answer, now that an event says whether it counts."""
        if self._answer is None or isinstance(event, MessageCompleted):
            return
        text = text_of(self._answer.message.content)
        self._answer = None
        is_rejected = isinstance(event, OutputRejected)
        yield from self.close(text, "commentary" if is_rejected else "final_answer")

    def close(self, text: str = "", phase: str | None = None) -> Iterator[bytes]:
        """End the message that is being written, if there is one; without text it is void."""
        message, self._open = self._open, None
        if message is None:
            return
        item = message_item(self._facts.run_id, message.turn, text, phase)
        # Libraries parse a text that is done as what the answer has to be.
        if text and not (phase == "commentary" and self._facts.is_structured):
            number, kind = self._line.count(message.turn), "response.output_text.done"
            place = self._place_of(message)
            yield from self._line.say(number, kind, **place, text=text, logprobs=[])
        message.text = text
        yield from self._say_part("done", message, self._line.count(message.turn))
        if not text:
            self.void.add(message.index)
            item["status"] = "incomplete"
        yield from self._line.finish(message.index, item, message.turn)

    def _of(self, turn: int) -> Generator[bytes, None, _Message]:
        message = self._open
        if message is not None and message.turn == turn:
            return message
        self._line.turn = max(self._line.turn, turn)
        message = self._open = _Message(turn, len(self._line.items))
        item = message_item(self._facts.run_id, turn, None, None)
        yield from self._line.add(item, Numbers.opening(turn, 0))
        yield from self._say_part("added", message, Numbers.opening(turn, 1))
        return message

    def _say_delta(self, message: _Message, number: int, delta: str) -> Iterator[bytes]:
        place, kind = self._place_of(message), "response.output_text.delta"
        yield from self._line.say(number, kind, **place, delta=delta, logprobs=[])

    def _say_part(self, what: str, message: _Message, number: int) -> Iterator[bytes]:
        part = text_part(message.text if what == "done" else "")
        kind = f"response.content_part.{what}"
        yield from self._line.say(number, kind, **self._place_of(message), part=part)

    def _place_of(self, message: _Message) -> dict[str, Any]:
        return {
            "item_id": name_of("msg", self._facts.run_id, message.turn),
            "output_index": message.index,
            "content_index": message.part,
        }
