"""Calls between our own handlers: by name, with what each takes and gives.

A handler's signature says the same; `tests/unit/worker/services/test_calls.py` compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from restate import Context, RestateDurableCallFuture, SendHandle

from outlast.contract import (
    CancelOrder,
    ConversationMark,
    ForkQuestion,
    ReturnedRun,
    RunOrder,
    SameAnswer,
    SameQuestion,
    StatusQuestion,
    SteerAnswer,
    SteerOrder,
    SubmitAnswer,
    WaitReport,
)
from outlast.names import (
    RunRef,
    WebhookRef,
    budget_service,
    durable_tools_service,
    key_of,
    service_of,
    thread_service,
    thread_watch_service,
    webhook_watch_service,
)
from outlast.protocol import Run
from outlast_worker.engine.budget_book import BudgetAnswer, BudgetNews, Reservation, Settlement
from outlast_worker.engine.records import ForkSource, StoredMessage, ToolRecord
from outlast_worker.services.durable_calls import (
    DurableOrder,
    GivenSignal,
    NumberedReport,
    durable_key,
)
from outlast_worker.services.serde import JsonSerde, serde_of
from outlast_worker.services.suspend import suspending_soon
from outlast_worker.services.thread_calls import (
    Delivery,
    ExpiryCheck,
    HoldUp,
    Join,
    Release,
    Watch,
    WholeThread,
)
from outlast_worker.services.thread_state import ThreadRun
from outlast_worker.services.webhook_calls import RunNews, RunWatch, Told

I = TypeVar("I")  # noqa: E741  # as in the SDK
O = TypeVar("O")  # noqa: E741


@dataclass(frozen=True)
class Target:
    """Whose handler is called."""

    service: str
    key: str | None = None


def run_target(prefix: str, run: RunOrder | ThreadRun | RunRef) -> Target:
    """Return a run's workflow."""
    return Target(service_of(run.agent, prefix), key_of(run.tenant, run.run_id))


def caller_target(prefix: str, call: DurableOrder) -> Target:
    """Return the workflow of the run that makes a durable call, perhaps handed over by then."""
    return run_target(prefix, RunRef(call.tenant, call.run_id))


def durable_target(prefix: str, run: RunRef, call_id: str, agent: str | None = None) -> Target:
    """Return the workflow of one of a run's durable calls.

    Args:
        prefix: Of the services.
        run: The run.
        call_id: The call.
        agent: Whose tool it is, if not the run's own agent's.
    """
    key = durable_key(run.tenant, run.run_id, call_id)
    return Target(durable_tools_service(agent or run.agent, prefix), key)


def thread_target(prefix: str, key: str) -> Target:
    """Return a thread, by its key."""
    return Target(thread_service(prefix), key)


def thread_watch_target(prefix: str) -> Target:
    """Return the service that watches over threads."""
    return Target(thread_watch_service(prefix))


def webhook_watch_target(prefix: str, run: RunRef) -> Target:
    """Return what passes on to a run's webhooks what happens to it."""
    return Target(webhook_watch_service(prefix), run.key)


def webhook_target(prefix: str, webhook: WebhookRef) -> Target:
    """Return what tells a webhook of events."""
    return Target(webhook.service(prefix), webhook.key)


def budget_target(prefix: str, order: RunOrder) -> Target:
    """Return the book of the tree of runs that this one is in."""
    top = order.above[0] if order.above else order.run_id
    return Target(budget_service(prefix), key_of(order.tenant, top))


class Call(Generic[I, O]):
    """One handler as others call it. It takes None if it has no input."""

    def __init__(self, name: str, takes: Any, gives: Any) -> None:
        self.name = name
        self.takes = takes
        self.gives = gives
        self._gives: JsonSerde[O] = serde_of(gives)

    def begin(self, ctx: Context, target: Target, value: I) -> RestateDurableCallFuture[bytes]:
        """Call it, and have its answer waited for later; `read` reads that."""
        return ctx.generic_call(target.service, self.name, self.write(value), key=target.key)

    def read(self, answer: bytes) -> O:
        """Return what it answered."""
        return self._gives.parse(answer)

    async def call(self, ctx: Context, target: Target, value: I) -> O:
        """Call it and wait for its answer, without a place of Restate's if that takes long."""
        with suspending_soon(ctx):
            return self.read(await self.begin(ctx, target, value))

    def send(
        self,
        ctx: Context,
        target: Target,
        value: I,
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay: timedelta | None = None,
    ) -> SendHandle:
        """Have it called, one-way."""
        return ctx.generic_send(
            target.service,
            self.name,
            self.write(value),
            key=target.key,
            idempotency_key=idempotency_key,
            headers=dict(headers) if headers else None,
            send_delay=delay,
        )

    def write(self, value: I) -> bytes:
        """Return its input as it is sent."""
        return b"" if self.takes is None else serde_of(self.takes).serialize(value)


# of a run's workflow
RUN = Call[RunOrder, ReturnedRun]("run", RunOrder, ReturnedRun)
ADMIT = Call[None, None]("admit", None, None)
PARK = Call[None, None]("park", None, None)
CANCEL = Call[CancelOrder, None]("cancel", CancelOrder, None)
STEER = Call[SteerOrder, SteerAnswer]("steer", SteerOrder, SteerAnswer)
SAME = Call[SameQuestion, SameAnswer]("same", SameQuestion, SameAnswer)
CHILD_WAITS = Call[WaitReport, None]("child_waits", WaitReport, None)
STATUS = Call[StatusQuestion, Run | None]("status", StatusQuestion, Run | None)
REPORT = Call[NumberedReport, None]("report", NumberedReport, None)
FORK_SOURCE = Call[ForkQuestion, ForkSource]("fork_source", ForkQuestion, ForkSource)
SALVAGE = Call[None, list[StoredMessage]]("salvage", None, list[StoredMessage])

GRANT = Call[BudgetNews, None]("grant", BudgetNews, None)

# of the book of a tree of runs
RESERVE = Call[Reservation, BudgetAnswer]("reserve", Reservation, BudgetAnswer)
SETTLE = Call[Settlement, None]("settle", Settlement, None)
CLOSE_RUN = Call[str, None]("close_run", str, None)
CLOSE_ACCOUNT = Call[str, None]("close_account", str, None)
CHECK_TREE = Call[None, None]("check_tree", None, None)

# of a durable call's workflow
CALL_TOOL = Call[DurableOrder, ToolRecord]("call_tool", DurableOrder, ToolRecord)
GIVE_SIGNAL = Call[GivenSignal, bool]("give_signal", GivenSignal, bool)

# of a thread and its watch
JOIN = Call[Join, SubmitAnswer]("join", Join, SubmitAnswer)
CONVERSATION = Call[None, list[StoredMessage]]("conversation", None, list[StoredMessage])
CONVERSATION_MARK = Call[None, ConversationMark | None](
    "conversation_mark", None, ConversationMark | None
)
CONVERSATION_THEN = Call[ConversationMark, list[StoredMessage] | None](
    "conversation_then", ConversationMark, list[StoredMessage] | None
)
SPEAKER = Call[str, str | None]("speaker", str, str | None)
WHOLE_THREAD = Call[None, WholeThread | None]("whole_thread", None, WholeThread | None)
RELEASE = Call[Release, None]("release", Release, None)
HOLD_UP = Call[HoldUp, None]("hold_up", HoldUp, None)
EXPIRE = Call[ExpiryCheck, None]("expire", ExpiryCheck, None)
DELIVER = Call[Delivery, None]("deliver", Delivery, None)
WATCH = Call[Watch, None]("watch", Watch, None)

# of webhooks
TELL_WEBHOOKS = Call[RunNews, None]("tell", RunNews, None)
BEGIN_WATCH = Call[RunWatch, None]("begin", RunWatch, None)
WATCH_RUN = Call[RunWatch, None]("watch_run", RunWatch, None)
TELL_WEBHOOK = Call[Told, None]("tell", Told, None)
FORGET_WEBHOOK = Call[None, None]("forget", None, None)
