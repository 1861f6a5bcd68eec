"""What was said in a run, and on its thread before: as it was said, and as models read it."""

from collections.abc import Mapping
from typing import Any

from outlast.contract import ConversationMark, RunOrder
from outlast.protocol import Content, InputMessage, RunError
from outlast_worker.engine.exceptions import RunFailed
from outlast_worker.engine.prompt_size import estimate_tokens
from outlast_worker.engine.records import ModelRecord, Pin, StandIn, StoredMessage, rest_of
from outlast_worker.engine.run_clock import RunClock
from outlast_worker.engine.run_size import RunSize
from outlast_worker.engine.steps import Left, Steps

_SOURCE_GONE = RunError(
    type="definition-missing",
    message="The run that this one was to go on from is not kept any more.",
    retryable=False,
)


class Conversation:
    """The messages of one run, and those of before.

    Attributes:
        history: What was said on the thread before, as far as it was read.
        unread: What was said there, as long as nobody had to read it: the worker may remember it.
        messages: The run's own.
        stand_in: What models read in place of the first messages of all these.
    """

    def __init__(self, steps: Steps, order: RunOrder, clock: RunClock, size: RunSize) -> None:
        self._steps = steps
        self._order = order
        self._clock = clock
        self._size = size
        self.history: list[StoredMessage] = []
        self.unread: ConversationMark | None = None
        self.messages: list[StoredMessage] = []
        self.stand_in: StandIn | None = None
        self._counted_tokens: int | None = 0
        self._counted = 0
        """How many of the run's messages those are of."""
        self._answered = 0
        """How many of them a model has answered."""

    async def take_up_thread(self) -> None:
        """Wait until the run holds its thread, and go on with what was said there."""
        self.unread = await self._steps.thread.acquire()
        if self.unread is None:
            self._counted_tokens = None
            await self.read_history()
        elif self.unread.messages:
            self._counted_tokens = self.unread.tokens

    async def take_up_fork(self) -> Pin | None:
        """Go on from what another run had said; return the definition that it has kept.

        Raises:
            RunFailed: It is not there any more.
        """
        source = await self._steps.read_fork()
        if source.history is None:
            raise RunFailed(_SOURCE_GONE)
        self.history, self.unread = source.history, None
        if self._order.thread_id:  # it is handed over to the thread with what the run says
            self._size.count_history(source.history)
        self.stand_in = source.stand_in
        if source.stand_in:
            self._steps.keep.stand_in(0, source.stand_in)
        read = source.stand_in.apply(source.history) if source.stand_in else source.history
        self._count(estimate_tokens(read))
        return source.pin

    async def read_history(self) -> None:
        """Read what was said on the thread before."""
        self.history = await self._steps.thread.read()
        self.unread = None
        if self._counted_tokens is None:
            self._counted_tokens = estimate_tokens(self.history)

    @property
    def said(self) -> list[StoredMessage]:
        """All of it, as far as it was read."""
        return [*self.history, *self.messages]

    @property
    def last_answer(self) -> Content | None:
        """What a model of this run has said last, if anything."""
        said = (message.content for message in self.messages[::-1] if message.role == "assistant")
        return next(filter(None, said), None)

    def add(
        self, role: str, content: Content, *, message_id: str | None = None, **fields: Any
    ) -> StoredMessage:
        """Add a message."""
        message = StoredMessage.model_validate(
            {
                "id": message_id or f"{self._order.run_id}:{len(self.messages) + 1}",
                "role": role,
                "content": content,
                "run_id": self._order.run_id,
                "created_at": self._clock.now,
                **fields,
            }
        )
        if role != "tool":  # results side by side are counted as they come, before their messages
            self._size.count_content(content)
        self._size.count(message)
        self.messages.append(message)
        return message

    def add_said(self, said: InputMessage, message_id: str | None) -> StoredMessage:
        """Add what a caller says."""
        if said.role == "tool":
            self._size.count_content(said.content)
        return self.add(said.role, said.content, message_id=message_id, **rest_of(said))

    def note_answer(self, answer: ModelRecord) -> None:
        """Note that a model has taken all that was said so far, and answered."""
        self._answered = len(self.messages)
        if tokens := answer.conversation_tokens:
            self._count(tokens)

    def mark_refused(self, why: str) -> None:
        """Mark what no model has answered yet: sent again, it would fail every later run, too."""
        for position in range(self._answered, len(self.messages)):
            refused = self.messages[position].model_copy(update={"refused": why})
            self.messages[position] = refused

    def retell(self, texts: Mapping[str, str]) -> None:
        """Have models read other texts, by the message's id; what clients see stays."""
        self.messages = [
            message.model_copy(update={"told": texts.get(message.id, message.told)})
            for message in self.messages
        ]
        for message_id, text in texts.items():
            self._steps.keep.told(f"message:{message_id}", text)

    @property
    def prompt_tokens(self) -> int | None:
        """About how long the next prompt is for a model; None if nobody has counted its beginning.

        What was said since somebody did is estimated.
        """
        if self._counted_tokens is None:
            return None
        return self._counted_tokens + estimate_tokens(self.messages[self._counted :])

    def leave_out(self, stand_in: StandIn, tokens: int) -> None:
        """Have models read less from now on.

        Args:
            stand_in: What they read in place of the first messages.
            tokens: About how long the prompt is then.
        """
        self.stand_in = stand_in
        self._count(tokens)

    def leave_to_thread(self) -> Left:
        """Return what the run's thread gets of it."""
        added = self.said if self._order.forked_from else self.messages
        if self.stand_in and not self.stand_in.lasts:
            return Left(added)
        return Left(added, self.stand_in, self.prompt_tokens)

    def _count(self, tokens: int) -> None:
        self._counted_tokens, self._counted = tokens, len(self.messages)
