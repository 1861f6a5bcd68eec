"""One request to Restate's ingress: how it is sent, and what can go wrong with it."""

import asyncio
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from outlast.errors import (
    BadGateway,
    BodyTooLarge,
    InvalidRequest,
    NotRegistered,
    RestateUnavailable,
)

T = TypeVar("T")

_NEWS_DELAYS_S = (0.05, 0.1, 0.2, 0.4)
_LARGE_BYTES = 512 * 1024
_MAY_BE_DEEP = 100
_ENVELOPES = b"[" * 15, b"]" * 15
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What the ingress answered."""

    status: int
    body: bytes
    source: str
    """Who an error is of: `invocation` (the run itself) or `ingress`."""

    @property
    def text(self) -> str:
        """The beginning of the body, for people and for comparing."""
        return self.body.decode(errors="replace")[:500]

    @property
    def names_no_service(self) -> bool:
        """Whether the ingress does not know the service that was called."""
        return self.status == 404 and "make sure to register" in self.text

    @property
    def names_no_handler(self) -> bool:
        """Whether the service that was called has no such handler: its worker is older."""
        return self.status == 404 and "check that the handler exists" in self.text

    @property
    def is_of_lost_restate(self) -> bool:
        """Whether the ingress says that it can't answer now."""
        return self.source == "ingress" and self.status >= 500

    def read(self, kind: TypeAdapter[T]) -> T:
        """Read the body; an empty one is null.

        Raises:
            BadGateway: It is something else.
        """
        try:
            return kind.validate_json(self.body or b"null")
        except ValidationError as error:
            raise BadGateway("Restate answered what can't be read.") from error

    def expect(self, status: int) -> None:
        """Turn any other status than this one into a problem.

        Raises:
            NotRegistered: Restate does not know the service.
            RestateUnavailable: Restate can't answer now.
            BadGateway: Anything else.
        """
        if self.status == status:
            return
        if self.names_no_service:
            raise NotRegistered(
                "Restate knows no worker that has this agent. If the agent was renamed or taken "
                "out, bring it back until its runs have ended. Else register its worker: "
                f"{NotRegistered.how}."
            )
        if self.status == 413:
            raise BodyTooLarge("Restate takes requests of up to 32 MiB.")
        if self.is_of_lost_restate:
            raise unavailable()
        raise BadGateway(f"Restate answered {self.status}: {self.text}")


class Lost(Exception):
    """The connection broke after the request was sent: it may have been accepted."""


class IngressHttp:
    """Sends requests over a pool of connections."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url

    async def send(
        self, path: str, body: BaseModel | None, timeout_s: float | None, headers: Mapping[str, str]
    ) -> Answer:
        """Call a handler, with a body if it takes one.

        Raises:
            InvalidRequest: No worker could read the body.
        """
        # None of the caller's own but the trace: Restate keeps request headers in its journal.
        data = None if body is None else await _written(body)
        options = {"headers": headers if body is None else {**_JSON, **headers}}
        for delay_s in _NEWS_DELAYS_S:
            answer = await self.request("POST", path, timeout_s, data=_in_pieces(data), **options)
            if not answer.names_no_service:
                return answer
            # What was just registered reaches the ingress a little later.
            await asyncio.sleep(delay_s)
        return await self.request("POST", path, timeout_s, data=_in_pieces(data), **options)

    async def request(
        self, method: str, path: str, timeout_s: float | None, **options: Any
    ) -> Answer:
        """Send one request; one that only reads leaves no trace.

        Raises:
            RestateUnavailable: No connection: nothing was sent.
            Lost: The connection broke, or what came over it is not HTTP.
            TimeoutError: No answer in time.
        """
        if method == "GET":
            options.setdefault("headers", untraced())
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(method, self._base_url + path, **options) as response,
            ):
                return Answer(
                    response.status,
                    await response.read(),
                    response.headers.get("x-restate-error-source", ""),
                )
        except aiohttp.ClientConnectorError as error:
            raise unavailable() from error
        except aiohttp.ClientError as error:
            raise Lost from error


async def _written(body: BaseModel) -> bytes:
    """Write what a worker reads; beside the event loop, where it is large, make sure that it can.

    Restate has it for good, once it is sent: what no worker can read would be tried again for days.

    Raises:
        InvalidRequest: None could. Whoever checks what clients send lets nothing come to that.
    """
    try:
        data = body.model_dump_json(exclude_none=True).encode()
        if len(data) > _LARGE_BYTES:
            await asyncio.to_thread(_check_readable, type(body), data)
        else:
            _check_readable(type(body), data)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            "It can't be kept as it is: nested too deeply, or more than one run takes. Send less."
        ) from error
    return data


def _check_readable(kind: type[BaseModel], data: bytes) -> None:
    kind.model_validate_json(data)
    if data.count(b"[") + data.count(b"{") > _MAY_BE_DEEP:
        # It is kept inside of others, and their readers have a limit of depth.
        opening, closing = _ENVELOPES
        from_json(opening + data + closing)


def _in_pieces(data: bytes | None) -> bytes | io.BytesIO | None:
    """Have what is large sent in pieces, between which the event loop goes on."""
    return io.BytesIO(data) if data and len(data) > _LARGE_BYTES else data


def untraced() -> Mapping[str, str]:
    """Return headers by which Restate records nothing: else each read is a trace of its own."""
    return {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"}


def unavailable() -> RestateUnavailable:
    """Return the problem of a request to which Restate does not answer."""
    return RestateUnavailable(
        "Restate does not answer. What it has accepted goes on when it is back; ask again then."
    )
