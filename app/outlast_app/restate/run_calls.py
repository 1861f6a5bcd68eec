"""Questions to a run, and what is handed over to it."""

from pydantic import TypeAdapter

from outlast.contract import (
    DecideAnswer,
    DecideOrder,
    EventPage,
    EventsQuestion,
    ForkPoint,
    ForkQuestion,
    PromptQuestion,
    ResultAnswer,
    ResultOrder,
    RunOrder,
    SignalAnswer,
    SignalOrder,
    StatusQuestion,
    SteerAnswer,
    SteerOrder,
)
from outlast.names import RunRef
from outlast.protocol import Prompt, Run, RunDefinition
from outlast.trace import Trace
from outlast_app.restate.worker_calls import WorkerCalls, along

_LARGE_READ_TIMEOUT_S = 10
_MAYBE_RUN = TypeAdapter[Run | None](Run | None)
_PAGE = TypeAdapter(EventPage)
_ORDER = TypeAdapter[RunOrder | None](RunOrder | None)
_DEFINITION = TypeAdapter[RunDefinition | None](RunDefinition | None)
_PROMPT = TypeAdapter[Prompt | None](Prompt | None)
_FORK_POINT = TypeAdapter(ForkPoint)
_DECIDED = TypeAdapter(DecideAnswer)
_RESULT = TypeAdapter(ResultAnswer)
_STEERED = TypeAdapter(SteerAnswer)
_SIGNALLED = TypeAdapter(SignalAnswer)


class RunCalls(WorkerCalls):
    """The handlers of a run's workflow, which its worker answers."""

    async def status(
        self, ref: RunRef, *, messages: bool = False, killed: bool = False, engine: bool = False
    ) -> Run | None:
        """Return the run as the worker's handler sees it; None before it has begun."""
        question = StatusQuestion(messages=messages, killed=killed, engine=engine)
        return await self._call(ref, "status", _MAYBE_RUN, question)

    async def events(self, ref: RunRef, after: int, timeout_s: float) -> EventPage:
        """Return the run's committed events after a number."""
        return await self._call(ref, "events", _PAGE, EventsQuestion(after=after), timeout_s)

    async def order(self, ref: RunRef) -> RunOrder | None:
        """Return what the run was asked for; None before it has begun."""
        return await self._call(ref, "order", _ORDER)

    async def definition(self, ref: RunRef) -> RunDefinition | None:
        """Return what the run keeps of its agent, if there is that."""
        return await self._call(ref, "definition", _DEFINITION)

    async def prompt(self, ref: RunRef, turn: int) -> Prompt | None:
        """Return what the model was sent in a turn, if the run had one of this number."""
        question = PromptQuestion(turn=turn)
        return await self._call(ref, "prompt", _PROMPT, question, _LARGE_READ_TIMEOUT_S)

    async def fork_point(self, ref: RunRef, after_turn: int) -> ForkPoint:
        """Tell whether a run that has ended can be gone on from after a turn."""
        question = ForkQuestion(after_turn=after_turn)
        return await self._call(ref, "fork_point", _FORK_POINT, question, _LARGE_READ_TIMEOUT_S)

    async def decide(self, ref: RunRef, order: DecideOrder, key: str) -> DecideAnswer | None:
        """Hand over a person's decision on a tool call; None while no worker has taken it."""
        headers = {"Idempotency-Key": key, **along(order.trace)}
        return await self._hand_over(ref, "decide", _DECIDED, order, headers)

    async def take_result(self, ref: RunRef, order: ResultOrder, key: str) -> ResultAnswer | None:
        """Hand over the result of a client's call; None while no worker has taken it."""
        headers = {"Idempotency-Key": key}
        return await self._hand_over(ref, "take_result", _RESULT, order, headers)

    async def steer(
        self, ref: RunRef, order: SteerOrder, key: str, trace: Trace | None
    ) -> SteerAnswer | None:
        """Hand over a message to a run that is going on; None while no worker has taken it."""
        headers = {"Idempotency-Key": key, **along(trace)}
        return await self._hand_over(ref, "steer", _STEERED, order, headers)

    async def signal(
        self, ref: RunRef, order: SignalOrder, key: str, trace: Trace | None
    ) -> SignalAnswer | None:
        """Hand over a signal for one of a run's calls; None while no worker has taken it."""
        headers = {"Idempotency-Key": key, **along(trace)}
        return await self._hand_over(ref, "signal", _SIGNALLED, order, headers)
