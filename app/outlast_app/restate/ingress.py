"""Restate's ingress: the only module that knows its addresses, and what its answers mean.

Reads go to the ingress itself where it knows the answer (a run's end), because that needs no
worker. The worker's handlers answer the rest, within a short time or not at all.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from outlast.contract import (
    CancelOrder,
    DecideAnswer,
    DecideOrder,
    DeleteAnswer,
    DeleteOrder,
    EventPage,
    EventsQuestion,
    HistoryAnswer,
    HistoryQuestion,
    RunOrder,
    SameAnswer,
    SameQuestion,
    StatusQuestion,
    SteerAnswer,
    SteerOrder,
    SubmitAnswer,
    ThreadStatus,
)
from outlast.errors import (
    BadGateway,
    RestateUnavailable,
    WorkerUnavailable,
)
from outlast.names import agent_of, key_of, service_of, thread_service
from outlast.protocol import Run
from outlast_app.closing import Closing
from outlast_app.restate.http import RETRY_AFTER, Answer, IngressHttp, Lost, unavailable
from outlast_app.restate.outcomes import Broken, Ended, Outcome, Pending, Repeated, Unknown

T = TypeVar("T")

READ_TIMEOUT_S = 1.5
_ACCEPT_TIMEOUT_S = 10
_SUBMIT_TIMEOUT_S = 2.0
_RECONNECT_DELAY_S = 0.2
_ARRIVAL_POLL_S = 0.001
_NOT_READY = 470
# What reads an end says the first, what waits for it the second, as if the run had failed so.
_NOT_FOUND = re.compile(r'"(invocation )?not found"')


class _Invocation(BaseModel):
    invocationId: str  # noqa: N815  # Restate's name


_RUN = TypeAdapter(Run)
_MAYBE_RUN = TypeAdapter[Run | None](Run | None)
_PAGE = TypeAdapter(EventPage)
_SUBMITTED = TypeAdapter(SubmitAnswer)
_SAME = TypeAdapter(SameAnswer)
_STATUS = TypeAdapter[ThreadStatus | None](ThreadStatus | None)
_HISTORY = TypeAdapter(HistoryAnswer)
_DECIDED = TypeAdapter(DecideAnswer)
_STEERED = TypeAdapter(SteerAnswer)
_DELETED = TypeAdapter(DeleteAnswer)
_INVOCATION = TypeAdapter(_Invocation)


def _parse(adapter: TypeAdapter[T], body: bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise BadGateway("Restate answered what can't be read.") from error


def maybe_accepted(run_id: str) -> RestateUnavailable:
    """Return the problem of a start of which nobody can tell whether Restate has accepted it."""
    return RestateUnavailable(
        f"Restate was lost or did not answer in time. The run may have been accepted: ask for "
        f"/runs/{run_id}, or repeat the request with the same Idempotency-Key.",
        headers={**RETRY_AFTER, "Location": f"/runs/{run_id}"},
        extra={"run_id": run_id},
    )


class Ingress:
    """A client of the ingress, with a pool of connections."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, prefix: str, closing: Closing
    ) -> None:
        self._http = IngressHttp(session, url)
        self._prefix = prefix
        self._closing = closing

    async def healthy(self) -> bool:
        """Tell whether the ingress answers."""
        try:
            answer = await self._http.request("GET", "/restate/health", READ_TIMEOUT_S)
        except (RestateUnavailable, Lost, TimeoutError):
            return False
        return answer.status == 200

    async def start_and_wait(
        self, order: RunOrder, wait_s: float, trace: Mapping[str, str]
    ) -> Outcome | Repeated:
        """Start a run and wait for its end, in one request.

        Raises:
            RestateUnavailable: Restate is not there, or was lost before it was known whether it
                had accepted the run.
        """
        path = self._run_path("call", order.tenant, order.run_id, "run")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        try:
            async with self._closing.timeout(wait_s):
                answer = await self._place(path, order, trace)
        except TimeoutError:
            return Pending()
        except Lost:
            return await self.wait(order.tenant, order.run_id, deadline - loop.time())
        if answer.status == 409 and "already invoked" in answer.text:
            return Repeated()
        return self._outcome(answer)

    async def start(self, order: RunOrder, trace: Mapping[str, str]) -> Pending | Repeated:
        """Start a run; return when Restate has accepted it."""
        path = self._run_path("send", order.tenant, order.run_id, "run")
        try:
            async with self._closing.timeout(_ACCEPT_TIMEOUT_S):
                answer = await self._place(path, order, trace)
        except (Lost, TimeoutError):
            raise maybe_accepted(order.run_id) from None
        self._http.check(answer, 202)
        return Repeated() if b"PreviouslyAccepted" in answer.body else Pending()

    async def submit(
        self, order: RunOrder, wait_s: float, trace: Mapping[str, str]
    ) -> SubmitAnswer | Pending:
        """Start a run on its thread, which decides whose turn it is.

        Args:
            order: The run to start.
            wait_s: How long to wait for the decision; 0 for as long as accepting takes.
            trace: Headers that go along.

        Returns:
            The decision; `Pending` when Restate has accepted the run but the thread has not
            seen it in time, because the worker is away.

        Raises:
            RestateUnavailable: Restate is not there, or can't tell whether it has the run.
        """
        path = self._thread_path(order.tenant, order.thread_id or "", "submit")
        # The body counts, so that another one under the same key is compared with it, and does
        # not get its answer. `Admin.submission` finds a run by the first part.
        key = f"{order.run_id}:{order.body_hash}"
        try:
            async with self._closing.timeout(wait_s or _SUBMIT_TIMEOUT_S):
                answer = await self._place(path, order, {**trace, "Idempotency-Key": key})
        except (Lost, TimeoutError):
            return await self._undecided(order, key)
        self._http.check(answer, 200)
        submitted = _parse(_SUBMITTED, answer.body)
        if submitted.outcome in ("granted", "queued", "known"):
            await self._arrival(order)
        return submitted

    async def wait_for_submission(self, invocation_id: str, wait_s: float) -> bool:
        """Wait until a thread has decided on a run; False when the time is over before."""
        try:
            async with self._closing.timeout(wait_s):
                await self._http.request("GET", f"/restate/attach/{invocation_id}", None)
        except TimeoutError:
            return False
        except (Lost, RestateUnavailable):
            await asyncio.sleep(_RECONNECT_DELAY_S)
        return True

    async def wait(self, tenant: str, run_id: str, wait_s: float) -> Outcome:
        """Wait for the end of a run that was accepted; a restart of Restate is waited out."""
        path = self._workflow_path(tenant, run_id, "attach")
        try:
            async with self._closing.timeout(wait_s):
                while True:
                    try:
                        return self._outcome(await self._http.request("GET", path, None))
                    except (Lost, RestateUnavailable):
                        await asyncio.sleep(_RECONNECT_DELAY_S)
        except TimeoutError:
            return Pending()

    async def outcome(self, tenant: str, run_id: str) -> Outcome:
        """Return how a run ended, if it has. Needs no worker."""
        path = self._workflow_path(tenant, run_id, "output")
        try:
            return self._outcome(await self._http.request("GET", path, _ACCEPT_TIMEOUT_S))
        except (Lost, TimeoutError):
            raise unavailable() from None

    async def same(self, order: RunOrder, wait_s: float) -> SameAnswer:
        """Compare a repeated request with the one that started the run."""
        path = self._run_path("call", order.tenant, order.run_id, "same")
        question = SameQuestion(body_hash=order.body_hash, wait_s=wait_s)
        return _parse(_SAME, await self._read(path, question, wait_s + READ_TIMEOUT_S))

    async def status(
        self, tenant: str, run_id: str, *, messages: bool = False, killed: bool = False
    ) -> Run | None:
        """Return the run as the worker's handler sees it; None before it has begun."""
        path = self._run_path("call", tenant, run_id, "status")
        question = StatusQuestion(messages=messages, killed=killed)
        return _parse(_MAYBE_RUN, await self._read(path, question) or b"null")

    async def events(self, tenant: str, run_id: str, after: int) -> EventPage:
        """Return the run's committed events after a number."""
        path = self._run_path("call", tenant, run_id, "events")
        return _parse(_PAGE, await self._read(path, EventsQuestion(after=after)))

    async def cancel(self, tenant: str, run_id: str) -> None:
        """Ask for the run's cancellation; it is carried out as soon as a worker is there.

        Raises:
            WorkerUnavailable: The run waits for its thread, and there is nothing to cancel yet.
        """
        if isinstance(await self.outcome(tenant, run_id), Unknown):
            raise WorkerUnavailable(
                "The run is accepted, but no worker has taken it yet, so it can't be cancelled. "
                "Cancel it again when a worker is back.",
                headers=RETRY_AFTER,
            )
        path = self._run_path("send", tenant, run_id, "cancel")
        order = CancelOrder(
            run_id=run_id,
            invocation_id=await self._invocation_id(tenant, run_id),
            at=datetime.now(UTC),
        )
        try:
            self._http.check(await self._http.send(path, order, _ACCEPT_TIMEOUT_S, {}), 202)
        except (Lost, TimeoutError):
            raise unavailable() from None

    async def decide(self, tenant: str, run_id: str, order: DecideOrder) -> DecideAnswer:
        """Hand over a person's decision on a tool call."""
        path = self._run_path("call", tenant, run_id, "decide")
        return _parse(_DECIDED, await self._read(path, order, _ACCEPT_TIMEOUT_S))

    async def steer(self, tenant: str, order: SteerOrder) -> SteerAnswer:
        """Hand over a message to a run that is going on."""
        path = self._run_path("call", tenant, order.run_id, "steer")
        return _parse(_STEERED, await self._read(path, order, _ACCEPT_TIMEOUT_S))

    async def thread_status(self, tenant: str, thread_id: str) -> ThreadStatus | None:
        """Return who has the turn on a thread; None if there is no such thread."""
        path = self._thread_path(tenant, thread_id, "status")
        return _parse(_STATUS, await self._read(path) or b"null")

    async def thread_history(
        self, tenant: str, thread_id: str, question: HistoryQuestion
    ) -> HistoryAnswer:
        """Return a part of a conversation."""
        path = self._thread_path(tenant, thread_id, "history")
        return _parse(_HISTORY, await self._read(path, question))

    async def tend_thread(self, tenant: str, thread_id: str) -> None:
        """Tell a thread that the run that has its turn was killed: it takes the turn back soon."""
        await self._read(self._thread_path(tenant, thread_id, "check_holder"))

    async def delete_thread(self, tenant: str, thread_id: str, dead: str | None) -> DeleteAnswer:
        """Delete a conversation, unless a run has the turn that is not known to be dead."""
        path = self._thread_path(tenant, thread_id, "delete")
        return _parse(_DELETED, await self._read(path, DeleteOrder(dead=dead)))

    async def _invocation_id(self, tenant: str, run_id: str) -> str:
        agent = agent_of(run_id) or ""
        body = {
            "target": "workflow",
            "workflowName": service_of(agent, self._prefix),
            "workflowKey": key_of(tenant, run_id),
        }
        try:
            answer = await self._http.request(
                "POST", "/restate/lookup", _ACCEPT_TIMEOUT_S, json=body
            )
        except (Lost, TimeoutError):
            raise unavailable() from None
        self._http.check(answer, 200)
        return _parse(_INVOCATION, answer.body).invocationId

    async def _undecided(self, order: RunOrder, key: str) -> SubmitAnswer | Pending:
        """Find out what became of a submit that was not answered."""
        thread = self._thread_path(order.tenant, order.thread_id or "", "submit", verb="invocation")
        try:
            submit = await self._http.request("GET", f"{thread}/{key}/output", READ_TIMEOUT_S)
            run = await self.outcome(order.tenant, order.run_id)
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
                while isinstance(await self.outcome(order.tenant, order.run_id), Unknown):
                    await asyncio.sleep(delay_s)
                    delay_s *= 2
        except (RestateUnavailable, TimeoutError):
            raise maybe_accepted(order.run_id) from None

    def _outcome(self, answer: Answer) -> Outcome:
        if answer.status == 200:
            return Ended(_parse(_RUN, answer.body))
        if answer.status == 404 and _NOT_FOUND.search(answer.text):
            return Unknown()
        if answer.source == "invocation":
            return Broken(killed=answer.status == 409, reason=answer.text)
        if answer.status == _NOT_READY:
            return Pending()
        self._http.check(answer, 200)
        raise BadGateway(f"Restate answered {answer.status}.")

    async def _read(
        self, path: str, question: BaseModel | None = None, timeout_s: float = READ_TIMEOUT_S
    ) -> bytes:
        """Call a handler of the worker that only looks.

        Raises:
            WorkerUnavailable: No answer in time: the worker is down or busy.
        """
        try:
            answer = await self._http.send(path, question, timeout_s, {})
        except TimeoutError:
            raise WorkerUnavailable(
                "The worker did not answer in time. What was accepted goes on when it is back; "
                "ask again then.",
                headers=RETRY_AFTER,
            ) from None
        except Lost:
            raise unavailable() from None
        self._http.check(answer, 200)
        return answer.body

    async def _place(self, path: str, order: RunOrder, headers: Mapping[str, str]) -> Answer:
        """Send an order, whose answer may take any time.

        Raises:
            RestateUnavailable: Nothing was started, unless it names the run.
        """
        try:
            answer = await self._http.send(path, order, None, headers)
        except RestateUnavailable:
            raise RestateUnavailable(
                "Restate does not answer; nothing was started. Try again.", headers=RETRY_AFTER
            ) from None
        if answer.source == "ingress" and answer.status >= 500:
            raise maybe_accepted(order.run_id)
        return answer

    def _run_path(self, verb: str, tenant: str, run_id: str, handler: str) -> str:
        service = service_of(agent_of(run_id) or "", self._prefix)
        key = quote(key_of(tenant, run_id), safe="")
        return f"/restate/{verb}/{quote(service, safe='')}/{key}/{handler}"

    def _workflow_path(self, tenant: str, run_id: str, verb: str) -> str:
        service = service_of(agent_of(run_id) or "", self._prefix)
        key = quote(key_of(tenant, run_id), safe="")
        return f"/restate/workflow/{quote(service, safe='')}/{key}/{verb}"

    def _thread_path(self, tenant: str, thread_id: str, handler: str, verb: str = "call") -> str:
        service = quote(thread_service(self._prefix), safe="")
        return f"/restate/{verb}/{service}/{quote(key_of(tenant, thread_id), safe='')}/{handler}"
