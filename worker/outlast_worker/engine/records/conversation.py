"""What was said, with what is not for clients, and what models read in place of its beginning."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from outlast.compaction import Compaction
from outlast.protocol import Content, InputMessage, Message, Time, Usage
from outlast_worker.engine.records.definition import Pin
from outlast_worker.engine.records.model import Forgotten, ModelFault, Opaque
from outlast_worker.engine.records.record import Record


class StoredMessage(Message):
    """A message with what is not for clients.

    `opaque` is what its provider wants back. `told` is what the model reads in place of the
    content, as in `ToolRecord`. `stands_for` is how many messages this one takes the place of: it
    was said by nobody.
    """

    opaque: Opaque | None = None
    told: str | None = None
    stands_for: int | None = None

    @property
    def read(self) -> Content:
        """What the model reads."""
        return self.content if self.told is None else self.told

    def as_read(self) -> Message:
        """Return the message as the model reads it."""
        return self.public().model_copy(update={"content": self.read})

    def public(self) -> Message:
        """Return the message as clients see it."""
        return Message(**{name: getattr(self, name) for name in Message.model_fields})


def rest_of(said: InputMessage) -> dict[str, Any]:
    """Return what a caller's message has beside its role, its text and its id."""
    return said.model_dump(include={"tool_calls", "call_id", "is_error"})


class StandIn(Record):
    """A message that models read in place of the first messages of a conversation.

    Attributes:
        covers: How many those are.
        lasts: Whether later runs read it, too; not if something of those messages is in no summary.
    """

    how: Compaction
    message: StoredMessage
    covers: int
    lasts: bool = True

    def apply(self, said: Sequence[StoredMessage]) -> list[StoredMessage]:
        """Return what models read of a conversation."""
        return [self.message, *said[self.covers :]]


class Cut(Record):
    """Up to where a prompt is left out, and what stands there in place of it.

    Attributes:
        covers: How many messages of the whole conversation, from the first; 0 if none.
        left_out: How many of those the prompt still had.
        tokens_before: About how long it was, by the length of its texts.
        tokens_after: The same with what stands there now.
        model: The one that has summed up, if one has.
    """

    kind: Literal["cut"] = "cut"
    covers: int
    left_out: int
    text: str
    tokens_before: int
    tokens_after: int
    model: str | None = None
    usage: Usage | None = None
    started_at: Time
    ended_at: Time


CutOutcome = Annotated[Cut | ModelFault | Forgotten, Field(discriminator="kind")]


class ForkSource(Record):
    """What a fork goes on from; no history if that is not there any more.

    `pin` is the definition that the other run has kept, if it has one, and `stand_in` what its
    models have read in place of the first messages.
    """

    history: list[StoredMessage] | None = None
    stand_in: StandIn | None = None
    pin: Pin | None = None
