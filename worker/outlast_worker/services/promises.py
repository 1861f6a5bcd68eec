"""A run's durable promises, with what each of them holds. Whoever resolves one first counts."""

from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

from restate import (
    RestateDurableFuture,
    TerminalError,
    WorkflowContext,
    WorkflowSharedContext,
)

from outlast.contract import ClientResult, SteeringMessage, WaitReport
from outlast.protocol import Resolution, Time
from outlast_worker.engine.budget_book import BudgetAnswer
from outlast_worker.engine.records import DurableReport, KeptResolution, Record
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.durable_calls import GivenSignal
from outlast_worker.services.serde import JsonSerde, serde_of

T = TypeVar("T")
_Context = WorkflowContext | WorkflowSharedContext


class Promise(Generic[T]):
    """One promise of a run, by name."""

    def __init__(self, name: str, holds: Any) -> None:
        self.name = name
        self._serde: JsonSerde[T] = serde_of(holds)

    def value(self, ctx: _Context) -> RestateDurableFuture[T]:
        """Begin to wait for it."""
        return ctx.promise(self.name, serde=self._serde).value()

    def peek(self, ctx: _Context) -> Awaitable[T | None]:
        """Return what it holds, None before it is resolved."""
        return ctx.promise(self.name, serde=self._serde).peek()

    def resolve(self, ctx: _Context, value: T) -> Awaitable[None]:
        """Resolve it, where nobody else does."""
        return ctx.promise(self.name, serde=self._serde).resolve(value)

    async def resolve_once(self, ctx: _Context, value: T) -> bool:
        """Resolve it; False if it was resolved already."""
        try:
            await self.resolve(ctx, value)
        except TerminalError as error:
            if error.status_code != 409 or is_own_cancellation(error):
                raise
            return False
        return True


ACCEPTED = Promise[str]("accepted", str)
"""The hash of the request's body, by which a repeated request is told from another one."""
ADMISSION = Promise[str]("admission", str)
"""The run holds its thread."""
PARKED = Promise[bool]("parked", bool)
"""The run stands in line behind one that waits for a person, or did."""
CANCELLED_AT = Promise[Time]("cancelled_at", Time)
"""When somebody asked for the run's cancellation."""


def decision(approval_id: str) -> Promise[Resolution]:
    """Return the promise of what an approval comes to, as a `KeptResolution`."""
    return Promise(f"decision:{approval_id}", KeptResolution)


def client_result(call_id: str) -> Promise[ClientResult]:
    """Return the promise of what a call that a client runs comes to."""
    return Promise(f"result:{call_id}", ClientResult)


class SteeringClaim(Record):
    """A repeatable request's message: what it says, and from which place on it may be found."""

    body_hash: str
    first: int


def steering_claim(key: str) -> Promise[SteeringClaim]:
    """Return the promise by which a request that may be repeated finds its message again."""
    return Promise(f"steering:{key}", SteeringClaim)


def report(call_id: str, index: int) -> Promise[DurableReport]:
    """Return the promise of a durable call's report of this number."""
    return Promise(f"report:{call_id}:{index}", DurableReport)


def signal(name: str) -> Promise[GivenSignal]:
    """Return the promise of a signal, of the durable call's own workflow."""
    return Promise(f"signal:{name}", GivenSignal)


def settled(segment: int) -> Promise[bool]:
    """Return the promise that the run waits for a person in this segment (true), or has ended.

    True as it was when it said no more: a run that waits is replayed, and what it wrote compared.
    """
    return Promise(f"settled:{segment}", bool)


def child_report(call_id: str, index: int) -> Promise[WaitReport]:
    """Return the promise of what a called run reports of its waits."""
    return Promise(f"child:{call_id}:{index}", WaitReport)


def grant(turn: int, attempt: int) -> Promise[BudgetAnswer]:
    """Return the promise of the word on a model call that has to wait for others below a limit."""
    return Promise(f"grant:{turn}:{attempt}", BudgetAnswer)


def inbox(index: int) -> Promise[SteeringMessage | None]:
    """Return the promise of a steering message; None closes the inbox."""
    return Promise(f"in:{index}", SteeringMessage | None)
