"""Restate's ingress: how runs are started, waited for and cancelled there.

Reads go to the ingress itself where it knows the answer (a run's end), because that needs no
worker. The worker's handlers answer the rest, within a short time or not at all.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from outlast.contract import (
    CancelOrder,
    RunOrder,
    SameAnswer,
    SameQuestion,
    SettledAnswer,
    SettledQuestion,
    SubmitAnswer,
)
from outlast.errors import BadGateway, RestateUnavailable, WorkerUnavailable
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Run
from outlast.trace import Trace, trace_of
from outlast_app.backoff import backoff_s
from outlast_app.restate.http import Answer, Lost, unavailable, untraced
from outlast_app.restate.outcomes import (
    Broken,
    Ended,
    Outcome,
    Pending,
    Repeated,
    Submission,
    Unknown,
)
from outlast_app.restate.run_calls import RunCalls
from outlast_app.restate.thread_calls import ThreadCalls
from outlast_app.restate.webhook_calls import WebhookCalls
from outlast_app.restate.worker_calls import ACCEPT_TIMEOUT_S, READ_TIMEOUT_S, along

_SUBMIT_TIMEOUT_S = 2.0
_CANCEL_PATIENCE_S = 0.5
_RECONNECT_DELAY_S = 0.2
_RECONNECT_S = (0.2, 2.0)
_ARRIVAL_POLL_S = 0.001
_NOT_READY = 470
# What reads an end says the first, what waits for it the second, as if the run had failed so.
_NOT_FOUND = re.compile(r'"(invocation )?not found"')


class _Invocation(BaseModel):
    invocationId: str  # noqa: N815  # Restate's name


_RUN = TypeAdapter(Run)
_SUBMITTED = TypeAdapter(SubmitAnswer)
_SAME = TypeAdapter(SameAnswer)
_SETTLED = TypeAdapter(SettledAnswer)
_INVOCATION = TypeAdapter(_Invocation)


def maybe_accepted(run_id: str) -> RestateUnavailable:
    """Return the problem of a start of which nobody can tell whether Restate has accepted it."""
    return RestateUnavailable(
        f"Restate was lost, or did not answer in time (/readyz may say why). The run may have been "
        f"accepted: ask for /runs/{run_id}, or repeat the request with the same Idempotency-Key.",
        headers={"Location": f"/runs/{run_id}"},
        extra={"run_id": run_id},
    )


class Ingress(RunCalls, ThreadCalls, WebhookCalls):
    """A client of the ingress, with a pool of connections."""

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
            async with self._closing.timeout(ACCEPT_TIMEOUT_S):
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
        return answer.read(_SUBMITTED)

    async def arrival(self, order: RunOrder) -> None:
        """Wait until the run that the thread has sent has reached its own partition.

        The send is durable, but takes a moment; until then nobody could find the run.

        Raises:
            RestateUnavailable: It can't be seen now; it is accepted.
        """
        delay_s = _ARRIVAL_POLL_S
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT_S):
                while isinstance(await self.outcome(order.ref), Unknown):
                    await asyncio.sleep(delay_s)
                    delay_s *= 2
        except (RestateUnavailable, TimeoutError):
            raise maybe_accepted(order.run_id) from None

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
            return _outcome(await self._http.request("GET", path, ACCEPT_TIMEOUT_S))
        except (Lost, TimeoutError):
            raise unavailable() from None

    async def same(self, ref: RunRef, body_hash: str, wait_s: float) -> SameAnswer:
        """Compare a repeated request with the one that started the run."""
        question = SameQuestion(body_hash=body_hash, wait_s=wait_s)
        return await self._call(ref, "same", _SAME, question, wait_s + READ_TIMEOUT_S)

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
            answer = await self._http.send(path, order, ACCEPT_TIMEOUT_S, along(trace))
        except (Lost, TimeoutError):
            raise unavailable() from None
        answer.expect(202)
        try:
            return await self._is_over(answer.read(_INVOCATION).invocationId, _CANCEL_PATIENCE_S)
        except (Lost, RestateUnavailable):
            return False

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
                is_same = not order.repeatable or await self._is_same(order)
            except RestateUnavailable:
                raise maybe_accepted(order.run_id) from None
            return SubmitAnswer(outcome="known", same_body=is_same)
        if submit.status != _NOT_READY:
            raise maybe_accepted(order.run_id)
        return Pending()

    async def _is_same(self, order: RunOrder) -> bool:
        return (await self.same(order.ref, order.body_hash, 0)).answer != "different"

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
                "POST", "/restate/lookup", ACCEPT_TIMEOUT_S, json=body
            )
        except (Lost, TimeoutError):
            raise unavailable() from None
        answer.expect(200)
        return answer.read(_INVOCATION).invocationId


def _outcome(answer: Answer) -> Outcome:
    if answer.status == 200:
        return Ended(answer.read(_RUN), answer.body)
    if answer.status == 404 and _NOT_FOUND.search(answer.text):
        return Unknown()
    if answer.source == "invocation":
        return Broken(killed=answer.status == 409, reason=answer.text)
    if answer.status == _NOT_READY:
        return Pending()
    answer.expect(200)
    raise BadGateway(f"Restate answered {answer.status}.")
