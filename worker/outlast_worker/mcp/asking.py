"""Calls in which a server asks people: kept open while they think, for as long as that goes.

A run that waits needs none of this. A call that is lost here is begun anew, or is in doubt.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from outlast.errors import ToolError
from outlast.mcp import McpServer
from outlast.tool_context import ToolContext
from outlast_worker.engine.planned_calls import Answered, GivenAnswer
from outlast_worker.engine.records import HELD_FOR, ServerAsks, ServerQuestion
from outlast_worker.mcp.access import Access, CallForgotten

if TYPE_CHECKING:
    from mcp_types import CallToolResult

Ask = Callable[[ServerQuestion], Awaitable[GivenAnswer]]
HELD_FOR_S = HELD_FOR.total_seconds()
"""A call whose answers take longer is broken off: it has cost a session all the time."""
MAX_QUESTIONS = 16
"""At once, of one call."""
_END_GRACE_S = 2.0


@dataclass(frozen=True)
class ServerCall:
    """A call as its server gets it.

    Attributes:
        tool: What it is called there.
        answered: What people have answered in the course of the call.
    """

    server: McpServer
    access: Access
    tool: str
    arguments: Mapping[str, Any]
    context: ToolContext
    answered: Answered

    @property
    def held(self) -> str | None:
        """The name of the call, if it was kept open when people were asked."""
        return self.answered.asks and self.answered.asks.held

    def anew(self) -> "ServerCall":
        """Return the same from its beginning, with all that was answered."""
        return replace(self, answered=replace(self.answered, asks=None))


class TooManyQuestions(Exception):
    """A server asks more at once than people can be asked."""


class Recorded:
    """Answers that people gave when a call was begun before: each counts once, for its question."""

    def __init__(self, answers: Iterable[GivenAnswer]) -> None:
        self._answers = list(answers)

    def take(self, question: ServerQuestion) -> GivenAnswer | None:
        """Return the answer to a question, whatever its key is this time."""
        for given in self._answers:
            if given.question.model_copy(update={"key": question.key}) == question:
                self._answers.remove(given)
                return given
        return None


class OpenCall:
    """One call, in a task of its own: the end of a step is not its end.

    Args:
        call: What is called.
        carry_out: Calls it; it is given how to ask.
    """

    def __init__(
        self,
        call: ServerCall,
        carry_out: "Callable[[Ask], Awaitable[CallToolResult | ServerAsks]]",
    ) -> None:
        self.server = call.server
        self.run_id = call.context.run_id
        self._recorded = Recorded(call.answered.answers)
        self._open: dict[str, tuple[ServerQuestion, asyncio.Future[GivenAnswer]]] = {}
        self._count = 0
        self._asks = asyncio.Event()
        self._task = asyncio.ensure_future(carry_out(self._ask))
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def is_open(self) -> bool:
        """Whether the server still carries it out."""
        return not self._task.done()

    async def proceed(self) -> "CallToolResult | ServerAsks":
        """Wait until it is over, or asks something; when this is cancelled, so is the call.

        Raises:
            Exception: Whatever the call has raised.
        """
        while self.is_open and not self._open:  # the server may give up on a question at once
            asks = asyncio.create_task(self._asks.wait())
            try:
                await asyncio.wait([self._task, asks], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self._end()
                raise
            finally:
                asks.cancel()
        if not self.is_open:
            return self._task.result()
        return ServerAsks(questions=[question for question, _ in self._open.values()])

    def answer(self, answers: Sequence[GivenAnswer]) -> bool:
        """Hand answers over; tell whether the server waited for all of them."""
        waited = [self._open.pop(given.question.key, None) for given in answers]
        for given, asked in zip(answers, waited, strict=True):
            if asked and not asked[1].done():
                asked[1].set_result(given)
        self._note_open()
        return all(waited) and self.is_open

    def cancel(self) -> None:
        """Break the call off: its server is told."""
        self._task.cancel()

    async def _ask(self, question: ServerQuestion) -> GivenAnswer:
        if recorded := self._recorded.take(question):
            return recorded
        if len(self._open) == MAX_QUESTIONS:
            raise TooManyQuestions
        self._count += 1
        asked = question.model_copy(update={"key": str(self._count)})
        answer = asyncio.get_running_loop().create_future()
        self._open[asked.key] = asked, answer
        self._note_open()
        try:
            return await answer
        finally:  # the server may have given up on it
            self._open.pop(asked.key, None)
            self._note_open()

    async def _end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task], timeout=_END_GRACE_S)

    def _note_open(self) -> None:
        if self._open:
            self._asks.set()
        else:
            self._asks.clear()


class HeldCalls:
    """The calls of this process that wait for people."""

    def __init__(self, held_for_s: float = HELD_FOR_S) -> None:
        self._held_for_s = held_for_s
        self._calls: dict[str, OpenCall] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def begin(self, call: OpenCall) -> "CallToolResult | ServerAsks":
        """Wait until a call is over, or asks something; one that asks is held."""
        outcome = await call.proceed()
        if isinstance(outcome, ServerAsks) and call.is_open:
            return self._hold(call, outcome)
        return outcome

    async def go_on(self, call: ServerCall) -> "CallToolResult | ServerAsks":
        """Hand the last answers over to a call that is held, and go on with it.

        Raises:
            CallForgotten: It is not held any more, or had failed when they came.
        """
        opened = self._take(call.held or "")
        if opened is None:
            raise CallForgotten(call.server.name)
        in_time = opened.answer(call.answered.latest)
        try:
            outcome = await self.begin(opened)
        except ToolError as error:
            if in_time:
                raise
            raise CallForgotten(call.server.name) from error
        if not in_time and not isinstance(outcome, ServerAsks) and outcome.is_error:
            raise CallForgotten(call.server.name)
        return outcome

    def let_go(self, run_id: str) -> None:
        """Give up what is held of a run that has ended."""
        self._give_up(held for held, call in self._calls.items() if call.run_id == run_id)

    def make_room(self, server: McpServer) -> None:
        """Give up the call of a server's that is held for longest."""
        of_server = (held for held, call in self._calls.items() if call.server is server)
        self._give_up(held for held in [next(of_server, None)] if held)

    def close(self) -> None:
        """Give up everything."""
        self._give_up(self._calls)

    def _hold(self, call: OpenCall, asks: ServerAsks) -> ServerAsks:
        held = secrets.token_hex(16)
        self._calls[held] = call
        loop = asyncio.get_running_loop()
        self._timers[held] = loop.call_later(self._held_for_s, self._give_up, (held,))
        return asks.model_copy(update={"held": held})

    def _take(self, held: str) -> OpenCall | None:
        if timer := self._timers.pop(held, None):
            timer.cancel()
        return self._calls.pop(held, None)

    def _give_up(self, held: Iterable[str]) -> None:
        for each in list(held):
            if call := self._take(each):
                call.cancel()
