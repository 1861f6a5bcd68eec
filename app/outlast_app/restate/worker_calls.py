"""Calls of the worker's handlers through Restate's ingress: answered at once, or not at all."""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, TypeAdapter

from outlast.addresses import Address
from outlast.errors import WorkerUnavailable
from outlast.names import RunRef, ThreadRef, WebhookRef
from outlast.trace import Trace
from outlast_app.closing import Closing
from outlast_app.restate.http import Answer, IngressHttp, Lost, unavailable, untraced

T = TypeVar("T")
Target = RunRef | ThreadRef | WebhookRef

READ_TIMEOUT_S = 1.5
ACCEPT_TIMEOUT_S = 10
_HAND_OVER_TIMEOUT_S = 3.0


class WorkerCalls:
    """What all clients of the ingress share."""

    def __init__(
        self, session: aiohttp.ClientSession, address: Address, prefix: str, closing: Closing
    ) -> None:
        self.address = address
        self._http = IngressHttp(session, address.base_url)
        self._prefix = prefix
        self._closing = closing

    async def _call(
        self,
        target: Target,
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
        target: Target,
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
                sent = await self._http.send(path, order, ACCEPT_TIMEOUT_S, headers)
            except (Lost, TimeoutError):
                raise unavailable() from None
            sent.expect(202)
            return None
        except Lost:
            raise unavailable() from None
        answer.expect(200)
        return answer.read(kind)

    def _path(self, verb: str, target: Target, rest: str) -> str:
        service, key = quote(target.service(self._prefix), safe=""), quote(target.key, safe="")
        return f"/restate/{verb}/{service}/{key}/{rest}"


def along(trace: Trace | None) -> Mapping[str, str]:
    """Return the headers of a change: it belongs to the trace of its request, if that has one."""
    return trace.headers if trace else {}
