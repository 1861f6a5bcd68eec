"""What runs and threads keep in Restate: state, by key, with what each key holds."""

from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

from restate import ObjectContext, ObjectSharedContext

from outlast import contract
from outlast.contract import ConversationMark, RunOrder
from outlast.events import AnyEvent
from outlast.protocol import (
    Approval,
    CallAnswer,
    ClientCall,
    Delivery,
    Message,
    Resolution,
    Run,
    Time,
)
from outlast_worker.engine.budget_book import Book
from outlast_worker.engine.records import Pin, StandIn, StoredMessage
from outlast_worker.services.durable_calls import OpenDurable
from outlast_worker.services.serde import JsonSerde, serde_of
from outlast_worker.services.thread_state import Addition, Head, SteeredRequest, ThreadRun
from outlast_worker.services.webhook_calls import Told

T = TypeVar("T")
_Context = ObjectContext | ObjectSharedContext


class State(Generic[T]):
    """One key."""

    def __init__(self, key: str, holds: Any) -> None:
        self.key = key
        self._serde: JsonSerde[T] = serde_of(holds)

    def get(self, ctx: _Context) -> Awaitable[T | None]:
        """Read it; None if it is not there."""
        return ctx.get(self.key, serde=self._serde)

    def set(self, ctx: ObjectContext, value: T) -> None:
        """Write it."""
        ctx.set(self.key, value, serde=self._serde)

    def clear(self, ctx: ObjectContext) -> None:
        """Forget it."""
        ctx.clear(self.key)


# of a run
RUN = State[Run](contract.RUN_KEY, Run)
METADATA = State[dict[str, str]](contract.METADATA_KEY, dict[str, str])
ORDER = State[RunOrder]("order", RunOrder)
DEFINITION = State[Pin]("definition", Pin)
"""The definition that counts now."""
CONVERSATION = State[ConversationMark]("conversation", ConversationMark)
"""What was said on the thread before, if anything."""
FORKED_HISTORY = State[list[StoredMessage]]("forked_history", list[StoredMessage])
"""Of a fork: what it goes on with."""
SEGMENT = State[int]("segment", int)
"""How often the run has waited for people, and one more; not there before the first time."""
MESSAGES_TAKEN = State[int]("messages_taken", int)
"""How many steering messages the run has heard."""
MESSAGES = State[list[Message]]("messages", list[Message])
"""What was said in a run that another one has called, from its end on: it returns without."""
EVENT_PREFIX = "e:"
OPEN_DURABLE_PREFIX = "open_durable:"


def event(seq: int) -> State[AnyEvent]:
    """Return the key of a committed event."""
    return State(f"{EVENT_PREFIX}{seq}", AnyEvent)


def former_definition(last_turn: int) -> State[Pin]:
    """Return the key of the definition that counted until a run was handed over in a turn."""
    return State(f"definition:{last_turn}", Pin)


def open_durable(call_id: str) -> State[OpenDurable]:
    """Return the key of a durable call that goes on."""
    return State(f"{OPEN_DURABLE_PREFIX}{call_id}", OpenDurable)


def approval(approval_id: str) -> State[Approval]:
    """Return the key of an approval as it was requested."""
    return State(f"{contract.APPROVAL_PREFIX}{approval_id}", Approval)


def resolution(approval_id: str) -> State[Resolution]:
    """Return the key of what an approval came to."""
    return State(f"{contract.RESOLUTION_PREFIX}{approval_id}", Resolution)


def pending(approval_id: str) -> State[Time]:
    """Return the key by which an approval is found while it waits."""
    return State(f"{contract.PENDING_PREFIX}{approval_id}", Time)


def told(call_id: str) -> State[str]:
    """Return the key of what the model was told of a call, where clients see less."""
    return State(f"told:{call_id}", str)


STAND_IN_PREFIX = "stand_in:"


def stand_in(turn: int) -> State[StandIn]:
    """Return the key of what models read from a turn on in place of what was said first."""
    return State(f"{STAND_IN_PREFIX}{turn}", StandIn)


def client_call(call_id: str) -> State[ClientCall]:
    """Return the key of a call as a client was asked to run it."""
    return State(f"{contract.CALL_PREFIX}{call_id}", ClientCall)


def call_answer(call_id: str) -> State[CallAnswer]:
    """Return the key of how a client's call ended."""
    return State(f"{contract.ANSWER_PREFIX}{call_id}", CallAnswer)


def open_call(call_id: str) -> State[Time]:
    """Return the key by which a call is found while it waits for a client."""
    return State(f"{contract.OPEN_CALL_PREFIX}{call_id}", Time)


# of the book of a tree of runs
BOOK = State[Book]("book", Book)
CHECK_IS_DUE = State[bool]("check_is_due", bool)
"""Whether the book is going to be looked at: its tree may be gone by then."""

# of a thread
HEAD = State[Head](contract.HEAD_KEY, Head)
CREATED_BY = State[str]("created_by", str)
"""The request that made the thread, if it may be repeated. Its metadata is as of a run."""
HELD_UP = State[str]("held_up", str)
"""The run that held the thread when it began to wait for a person; counts while it holds it."""
TOLD = State[int]("told", int)
"""Before which number in line all have been told that the thread was held up."""
STEERED_REQUESTS = State[list[SteeredRequest]]("steered_requests", list[SteeredRequest])

ADDITIONS = State[list[Addition]]("additions", list[Addition])
"""What clients have added themselves, as far as it may be repeated."""


def place(number: int) -> State[ThreadRun]:
    """Return the key of the run that has this number in line."""
    return State(f"{contract.LINE_PREFIX}{number}", ThreadRun)


def number(run_id: str) -> State[int]:
    """Return the key of the number that a run has in line."""
    return State(f"number:{run_id}", int)


def summary(covers: int) -> State[StoredMessage]:
    """Return the key of the summary of so many messages, from the first."""
    return State(f"summary:{covers}", StoredMessage)


def page(index: int) -> State[list[StoredMessage]]:
    """Return the key of a page of the conversation."""
    return State(f"page:{index}", list[StoredMessage])


# of a webhook
GONE = State[Time]("gone", Time)
"""When its receiver said that it wants no more."""
DELIVERY_PREFIX = "delivery:"


def delivery(event_id: str) -> State[Delivery]:
    """Return the key of how far it has been told of an event."""
    return State(f"{DELIVERY_PREFIX}{event_id}", Delivery)


def told_event(event_id: str) -> State[Told]:
    """Return the key of what it is told."""
    return State(f"event:{event_id}", Told)
