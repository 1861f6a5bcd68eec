"""Restate's ingress: the only module that knows its addresses, and what its answers mean.

Reads go to the ingress itself where it knows the answer (a run's end), because that needs no
worker. The worker's handlers answer the rest, within a short time or not at all.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, TypeAdapter

from outlast.addresses import Address
from outlast.contract import (
    AddAnswer,
    AddOrder,
    CancelOrder,
    ChangeAnswer,
    CreateAnswer,
    DecideAnswer,
    DecideOrder,
    DeleteAnswer,
    DeleteOrder,
    EventPage,
    EventsQuestion,
    HistoryAnswer,
    HistoryQuestion,
    PromptQuestion,
    ResultAnswer,
    ResultOrder,
    ReturnedRun,
    RunOrder,
    SameAnswer,
    SameQuestion,
    SettledAnswer,
    SettledQuestion,
    SignalAnswer,
    SignalOrder,
    StatusQuestion,
    SteerAnswer,
    SteerOrder,
    SubmitAnswer,
    TakeBackAnswer,
    TakeBackOrder,
    ThreadChange,
    ThreadHolder,
    ThreadOrder,
    ThreadStatus,
)
from outlast.errors import BadGateway, RestateUnavailable, WorkerUnavailable
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Prompt, Run, RunDefinition
from outlast.trace import Trace, trace_of
from outlast_app.backoff import backoff_s
from outlast_app.closing import Closing
from outlast_app.restate.http import Answer, IngressHttp, Lost, unavailable, untraced
from outlast_app.restate.outcomes import (
    Broken,
    Ended,
    Outcome,
    Pending,
    Repeated,
    Submission,
    Unknown,
)

T = TypeVar("T")

READ_TIMEOUT_S = 1.5
_LARGE_READ_TIMEOUT_S = 10
_ACCEPT_TIMEOUT_S = 10
_SUBMIT_TIMEOUT_S = 2.0
_CANCEL_PATIENCE_S = 0.5
_HAND_OVER_TIMEOUT_S = 3.0
_RECONNECT_DELAY_S = 0.2
_RECONNECT_S = (0.2, 2.0)
_ARRIVAL_POLL_S = 0.001
_NOT_READY = 470
# What reads an end says the first, what waits for it the second, as if the run had failed so.
_NOT_FOUND = re.compile(r'"(invocation )?not found"')


class _Invocation(BaseModel):
    invocationId: str  # noqa: N815  # Restate's name


_RETURNED = TypeAdapter(ReturnedRun)
_MAYBE_RUN = TypeAdapter[Run | None](Run | None)
_PAGE = TypeAdapter(EventPage)
_ORDER = TypeAdapter[RunOrder | None](RunOrder | None)
_DEFINITION = TypeAdapter[RunDefinition | None](RunDefinition | None)
_PROMPT = TypeAdapter[Prompt | None](Prompt | None)
_SUBMITTED = TypeAdapter(SubmitAnswer)
_SAME = TypeAdapter(SameAnswer)
_HOLDER = TypeAdapter[ThreadHolder | None](ThreadHolder | None)
_STATUS = TypeAdapter[ThreadStatus | None](ThreadStatus | None)
_HISTORY = TypeAdapter(HistoryAnswer)
_DECIDED = TypeAdapter(DecideAnswer)
_RESULT = TypeAdapter(ResultAnswer)
_SETTLED = TypeAdapter(SettledAnswer)
_STEERED = TypeAdapter(SteerAnswer)
_SIGNALLED = TypeAdapter(SignalAnswer)
_DELETED = TypeAdapter(DeleteAnswer)
_CREATED = TypeAdapter(CreateAnswer)
_ADDED = TypeAdapter(AddAnswer)
_CHANGED = TypeAdapter(ChangeAnswer)
_TAKEN_BACK = TypeAdapter(TakeBackAnswer)
_INVOCATION = TypeAdapter(_Invocation)
_NOTHING = TypeAdapter[None](None)


def maybe_accepted(run_id: str) -> RestateUnavailable:
    """Return the problem of a start of which nobody can tell whether Restate has accepted it."""
    return RestateUnavailable(
        f"Restate was lost, or did not answer in time (/readyz may say why). The run may have been "
        f"accepted: ask for /runs/{run_id}, or repeat the request with the same Idempotency-Key.",
        headers={"Location": f"/runs/{run_id}"},
        extra={"run_id": run_id},
    )


class Ingress:
    """A client of the ingress, with a pool of connections."""

    def __init__(
        self, session: aiohttp.ClientSession, address: Address, prefix: str, closing: Closing
    ) -> None:
        self.address = address
        self._http = IngressHttp(session, address.base_url)
        self._prefix = prefix
        self._closing = closing

    async def healthy(self, timeout_s: float) -> bool:
        """Tell whether the ingress answers in time."""
        try:
            answer = await self._http.request("GET", "/restate/health", timeout_s)
        except (RestateUnavailable, Lost, TimeoutError):
            return False
        return answer.status == 200

    async def start_and_wait(self, order: RunOrder, wait_s: float) -> Outcome | Repeated:
        """Start a run and wait for its end, in one request.

        Raises:
            RestateUnavailable: Restate is not there, or was lost before it was known whether it
                had accepted the run.
        """
        path = self._path("call", order.ref, "run")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        try:
            async with self._closing.timeout(wait_s):
                answer = await self._place(path, order)
        except TimeoutError:
            return Pending()
        except Lost:
            return await self.wait(order.ref, deadline - loop.time())
        if answer.status == 409 and "already invoked" in answer.text:
            return Repeated()
        return _outcome(answer)

    async def start(self, order: RunOrder) -> Pending | Repeated:
        """Start a run; return when Restate has accepted it."""
        path = self._path("send", order.ref, "run")
        try:
            async with self._closing.timeout(_ACCEPT_TIMEOUT_S):
                answer = await self._place(path, order)
        except (Lost, TimeoutError):
            raise maybe_accepted(order.run_id) from None
        answer.expect(202)
        return Repeated() if b"PreviouslyAccepted" in answer.body else Pending()

    async def submit(
        self, thread: ThreadRef, order: RunOrder, wait_s: float
    ) -> SubmitAnswer | Pending:
        """Start a run on its thread, which admits one at a time.

        Args:
            thread: The order's own.
            order: The run to start.
            wait_s: How long to wait for the decision; 0 for as long as accepting takes.

        Returns:
            The decision; `Pending` when Restate has accepted the run but the thread has not
            seen it in time, because the worker is away.

        Raises:
            RestateUnavailable: Restate is not there, or can't tell whether it has the run.
        """
        # The body counts, so that another one under the same key is compared with it, and does
        # not get its answer. `Admin.submission` finds a run by the first part.
        key = f"{order.run_id}:{order.body_hash}"
        path = self._path("call", thread, "submit")
        try:
            async with self._closing.timeout(wait_s or _SUBMIT_TIMEOUT_S):
                answer = await self._place(path, order, {"Idempotency-Key": key})
        except (Lost, TimeoutError):
            submission = self._path("invocation", thread, f"submit/{key}/output")
            return await self._undecided(order, submission)
        answer.expect(200)
        submitted = answer.read(_SUBMITTED)
        if submitted.outcome in ("granted", "queued", "known"):
            await self._arrival(order)
        return submitted

    async def wait_for_submission(self, submission: Submission, wait_s: float) -> bool:
        """Wait until a thread has decided on a run; False when the time is over before."""
        try:
            return await self._is_over(submission.invocation_id, wait_s)
        except (Lost, RestateUnavailable):
            await asyncio.sleep(_RECONNECT_DELAY_S)
        return True

    async def wait(self, ref: RunRef, wait_s: float) -> Outcome:
        """Wait for the end of a run that was accepted; a restart of Restate is waited out."""
        path = self._path("workflow", ref, "attach")
        failures = 0
        try:
            async with self._closing.timeout(wait_s):
                while True:
                    try:
                        return _outcome(await self._http.request("GET", path, None))
                    except (Lost, RestateUnavailable):
                        await asyncio.sleep(backoff_s(failures, *_RECONNECT_S))
                        failures += 1
        except TimeoutError:
            return Pending()

    async def settled(
        self, ref: RunRef, wait_s: float, *, in_line: bool
    ) -> Literal["settled", "ended", "parked", "neither", "unable"]:
        """Wait until a run that was accepted has ended or waits for a person.

        A restart of Restate is waited out; a worker that is older is `unable` to tell.

        Args:
            ref: The run.
            wait_s: For how long.
            in_line: Whether to return, too, once it stands in line behind one that waits.
        """
        path = self._path("call", ref, "settled")
        deadline = asyncio.get_running_loop().time() + wait_s
        try:
            async with self._closing.timeout(wait_s):
                while True:
                    left_s = deadline - asyncio.get_running_loop().time()
                    question = SettledQuestion(wait_s=max(left_s, 0), in_line=in_line)
                    with suppress(Lost, RestateUnavailable):
                        answer = await self._http.send(path, question, None, untraced())
                        if answer.names_no_handler:
                            return "unable"
                        answer.expect(200)
                        return answer.read(_SETTLED).outcome
                    await asyncio.sleep(_RECONNECT_DELAY_S)
        except TimeoutError:
            return "neither"

    async def outcome(self, ref: RunRef) -> Outcome:
        """Return how a run ended, if it has. Needs no worker."""
        path = self._path("workflow", ref, "output")
        try:
            return _outcome(await self._http.request("GET", path, _ACCEPT_TIMEOUT_S))
        except (Lost, TimeoutError):
            raise unavailable() from None

    async def same(self, order: RunOrder, wait_s: float) -> SameAnswer:
        """Compare a repeated request with the one that started the run."""
        question = SameQuestion(body_hash=order.body_hash, wait_s=wait_s)
        return await self._call(order.ref, "same", _SAME, question, wait_s + READ_TIMEOUT_S)

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

    async def cancel(self, ref: RunRef, trace: Trace | None) -> bool:
        """Ask for the run's cancellation; tell whether a worker has carried it out already.

        It is there to stay, but a run may go on before the worker comes to it.

        Raises:
            WorkerUnavailable: The run waits for its thread, and there is nothing to cancel yet.
        """
        if isinstance(await self.outcome(ref), Unknown):
            raise WorkerUnavailable(
                "The run is accepted, but no worker has taken it yet, so it can't be cancelled. "
                "Cancel it again when a worker is back."
            )
        order = CancelOrder(
            run_id=ref.run_id, invocation_id=await self._invocation_id(ref), at=datetime.now(UTC)
        )
        path = self._path("send", ref, "cancel")
        try:
            answer = await self._http.send(path, order, _ACCEPT_TIMEOUT_S, _along(trace))
        except (Lost, TimeoutError):
            raise unavailable() from None
        answer.expect(202)
        try:
            return await self._is_over(answer.read(_INVOCATION).invocationId, _CANCEL_PATIENCE_S)
        except (Lost, RestateUnavailable):
            return False

    async def decide(self, ref: RunRef, order: DecideOrder, key: str) -> DecideAnswer | None:
        """Hand over a person's decision on a tool call; None while no worker has taken it."""
        headers = {"Idempotency-Key": key, **_along(order.trace)}
        return await self._hand_over(ref, "decide", _DECIDED, order, headers)

    async def take_result(self, ref: RunRef, order: ResultOrder, key: str) -> ResultAnswer | None:
        """Hand over the result of a client's call; None while no worker has taken it."""
        headers = {"Idempotency-Key": key}
        return await self._hand_over(ref, "take_result", _RESULT, order, headers)

    async def steer(
        self, ref: RunRef, order: SteerOrder, key: str, trace: Trace | None
    ) -> SteerAnswer | None:
        """Hand over a message to a run that is going on; None while no worker has taken it."""
        headers = {"Idempotency-Key": key, **_along(trace)}
        return await self._hand_over(ref, "steer", _STEERED, order, headers)

    async def signal(
        self, ref: RunRef, order: SignalOrder, key: str, trace: Trace | None
    ) -> SignalAnswer | None:
        """Hand over a signal for one of a run's calls; None while no worker has taken it."""
        headers = {"Idempotency-Key": key, **_along(trace)}
        return await self._hand_over(ref, "signal", _SIGNALLED, order, headers)

    async def thread_holder(self, thread: ThreadRef) -> ThreadHolder | None:
        """Return who holds a thread, however long its line is; None if there is no such thread."""
        answer = await self._ask(thread, "holder")
        if not answer.names_no_handler:
            answer.expect(200)
            return answer.read(_HOLDER)
        # The worker is older.
        status = await self.thread_status(thread)
        return status and ThreadHolder(run_id=status.run_id, message_count=status.message_count)

    async def thread_status(self, thread: ThreadRef) -> ThreadStatus | None:
        """Return who holds a thread and who waits for it; None if there is no such thread."""
        return await self._call(thread, "status", _STATUS)

    async def thread_history(self, thread: ThreadRef, question: HistoryQuestion) -> HistoryAnswer:
        """Return a part of a conversation."""
        return await self._call(thread, "history", _HISTORY, question)

    async def check_holder(self, thread: ThreadRef) -> None:
        """Tell a thread that the run that holds it was killed: it goes on without it soon."""
        await self._call(thread, "check_holder", _NOTHING, headers={})

    async def create_thread(self, thread: ThreadRef, order: ThreadOrder) -> CreateAnswer:
        """Make an empty thread, unless there is one of this name."""
        return await self._call(thread, "create", _CREATED, order, headers={})

    async def change_thread(self, thread: ThreadRef, change: ThreadChange) -> ChangeAnswer:
        """Change what is known of a thread."""
        return await self._call(thread, "change", _CHANGED, change, headers={})

    async def add_messages(self, thread: ThreadRef, order: AddOrder) -> AddAnswer:
        """Add messages to a conversation, unless a run holds it."""
        return await self._call(thread, "add", _ADDED, order, headers={})

    async def delete_thread(self, thread: ThreadRef, dead: str | None) -> DeleteAnswer:
        """Delete a conversation, unless a run holds it that is not known to be dead."""
        return await self._call(thread, "delete", _DELETED, DeleteOrder(dead=dead), headers={})

    async def take_back(self, thread: ThreadRef, order: TakeBackOrder) -> TakeBackAnswer:
        """Forget the end of a conversation, unless a run holds it."""
        return await self._call(thread, "take_back", _TAKEN_BACK, order, headers={})

    async def _call(
        self,
        target: RunRef | ThreadRef,
        handler: str,
        kind: TypeAdapter[T],
        question: BaseModel | None = None,
        timeout_s: float = READ_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Call a handler of the worker that answers at once.

        Args:
            target: Whose handler.
            handler: Its name.
            kind: What it answers.
            question: Its input.
            timeout_s: How long it may take.
            headers: What goes along with a change; for a read, nothing that leaves a trace.

        Raises:
            WorkerUnavailable: No answer in time: the worker is down or busy.
        """
        answer = await self._ask(target, handler, question, timeout_s, headers)
        answer.expect(200)
        return answer.read(kind)

    async def _ask(
        self,
        target: RunRef | ThreadRef,
        handler: str,
        question: BaseModel | None = None,
        timeout_s: float = READ_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        path = self._path("call", target, handler)
        along = untraced() if headers is None else headers
        try:
            return await self._http.send(path, question, timeout_s, along)
        except TimeoutError:
            raise WorkerUnavailable(
                "The worker did not answer in time. What was accepted goes on when it is back; "
                "ask again then."
            ) from None
        except Lost:
            raise unavailable() from None

    async def _hand_over(
        self,
        ref: RunRef,
        handler: str,
        kind: TypeAdapter[T],
        order: BaseModel,
        headers: Mapping[str, str],
    ) -> T | None:
        """Call a handler that acts on a run; None if that waits for a worker, and stays.

        Args:
            ref: The run.
            handler: What is called.
            kind: What it answers.
            order: What it takes.
            headers: What goes along. Calls with the same Idempotency-Key, while it has not
                answered, are one call.
        """
        try:
            path = self._path("call", ref, handler)
            answer = await self._http.send(path, order, _HAND_OVER_TIMEOUT_S, headers)
        except TimeoutError:
            # Whether Restate has the call shows when it is made again, one-way.
            path = self._path("send", ref, handler)
            try:
                sent = await self._http.send(path, order, _ACCEPT_TIMEOUT_S, headers)
            except (Lost, TimeoutError):
                raise unavailable() from None
            sent.expect(202)
            return None
        except Lost:
            raise unavailable() from None
        answer.expect(200)
        return answer.read(kind)

    async def _place(
        self, path: str, order: RunOrder, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send an order, whose answer may take any time.

        Raises:
            RestateUnavailable: Nothing was started, unless it names the run.
        """
        try:
            along = {**trace_of(order.ref, order.trace).headers, **(headers or {})}
            answer = await self._http.send(path, order, None, along)
        except RestateUnavailable:
            raise RestateUnavailable(
                "Restate does not answer; nothing was started. Try again."
            ) from None
        if answer.is_of_lost_restate:
            raise maybe_accepted(order.run_id)
        return answer

    async def _undecided(self, order: RunOrder, submission: str) -> SubmitAnswer | Pending:
        """Find out what became of a submit that was not answered, by the address of its end."""
        try:
            submit = await self._http.request("GET", submission, READ_TIMEOUT_S)
            run = await self.outcome(order.ref)
        except (Lost, RestateUnavailable, TimeoutError):
            raise maybe_accepted(order.run_id) from None
        if not isinstance(run, Unknown):
            try:
                same = not order.repeatable or (await self.same(order, 0)).answer != "different"
            except RestateUnavailable:
                raise maybe_accepted(order.run_id) from None
            return SubmitAnswer(outcome="known", same_body=same)
        if submit.status != _NOT_READY:
            raise maybe_accepted(order.run_id)
        return Pending()

    async def _arrival(self, order: RunOrder) -> None:
        """Wait until the run that the thread has sent has reached its own partition.

        The send is durable, but takes a moment; until then nobody could find the run.
        """
        delay_s = _ARRIVAL_POLL_S
        try:
            async with asyncio.timeout(_ACCEPT_TIMEOUT_S):
                while isinstance(await self.outcome(order.ref), Unknown):
                    await asyncio.sleep(delay_s)
                    delay_s *= 2
        except (RestateUnavailable, TimeoutError):
            raise maybe_accepted(order.run_id) from None

    async def _is_over(self, invocation_id: str, wait_s: float) -> bool:
        """Wait for the end of what was accepted; False when the time is over before."""
        try:
            async with self._closing.timeout(wait_s):
                await self._http.request("GET", f"/restate/attach/{invocation_id}", None)
        except TimeoutError:
            return False
        return True

    async def _invocation_id(self, ref: RunRef) -> str:
        body = {
            "target": "workflow",
            "workflowName": ref.service(self._prefix),
            "workflowKey": ref.key,
        }
        try:
            answer = await self._http.request(
                "POST", "/restate/lookup", _ACCEPT_TIMEOUT_S, json=body
            )
        except (Lost, TimeoutError):
            raise unavailable() from None
        answer.expect(200)
        return answer.read(_INVOCATION).invocationId

    def _path(self, verb: str, target: RunRef | ThreadRef, rest: str) -> str:
        service, key = quote(target.service(self._prefix), safe=""), quote(target.key, safe="")
        return f"/restate/{verb}/{service}/{key}/{rest}"


def _along(trace: Trace | None) -> Mapping[str, str]:
    """Return the headers of a change: it belongs to the trace of its request, if that has one."""
    return trace.headers if trace else {}


def _outcome(answer: Answer) -> Outcome:
    if answer.status == 200:
        returned = answer.read(_RETURNED)
        return Ended(returned.run, returned.last_events or ())
    if answer.status == 404 and _NOT_FOUND.search(answer.text):
        return Unknown()
    if answer.source == "invocation":
        return Broken(killed=answer.status == 409, reason=answer.text)
    if answer.status == _NOT_READY:
        return Pending()
    answer.expect(200)
    raise BadGateway(f"Restate answered {answer.status}.")
