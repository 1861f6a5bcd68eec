"""What a connection may ask of the server before anybody knows whose it is.

uvicorn's protocol has no limits of its own: it keeps an address or a header of any length, and
waits for the rest for as long as it takes. So bytes are counted while they come, and whoever does
not get on with a request is given up.
"""

import asyncio
from typing import Any, ClassVar, Literal

import httptools
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from outlast.errors import (
    AddressTooLong,
    HeadersTooLarge,
    MalformedRequest,
    Problem,
    RequestTooSlow,
)
from outlast.logging import get_logger
from outlast_app.openapi import PROBLEM_TYPE

_PIECE_BYTES = 16 * 1024
_logger = get_logger()


class LimitedHttp(HttpToolsProtocol):
    """HTTP/1.1 on one connection, within limits."""

    max_head_bytes: ClassVar[int] = 64 * 1024
    """Of the address and the headers together; a piece more may be read."""
    patience_s: ClassVar[float] = 20
    """For a whole head, and for each of these bytes of a body:"""
    min_body_bytes: ClassVar[int] = 16 * 1024
    linger_s: ClassVar[float] = 1
    """How long a refused request is still read, so that its sender reads the answer."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.url = b""
        # Since the last piece of a body, or since the message began: what is kept, whole or not.
        self._bare_bytes = 0
        self._body_bytes = 0
        self._in_body = False
        self._wants_upgrade = False
        self._refused = False
        self._awaited: Literal["head", "body"] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._await(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read in pieces, as long as it stays within the limits."""
        for start in range(0, len(data), _PIECE_BYTES):
            if self._refused or self.transport.is_closing():
                return
            if self._bare_bytes >= self.max_head_bytes:
                self._refuse(self._too_large())
                return
            piece = data[start : start + _PIECE_BYTES] if len(data) > _PIECE_BYTES else data
            self._bare_bytes += len(piece)
            self._parse(piece)
        if not self._refused:
            self._await("body" if self._in_body else "head" if self._bare_bytes else None)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, but none that comes after the body: nobody reads those."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request on; its body comes now."""
        # CONNECT asks for no other protocol, but for a tunnel: refused, as it names no address.
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._wants_upgrade = True
            return
        super().on_headers_complete()
        self._in_body = True
        self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on."""
        self._bare_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin anew: another request may follow."""
        if self._wants_upgrade:
            return  # the parser takes it for one without a body
        self._bare_bytes = 0
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, as all else is refused."""
        self._refuse(MalformedRequest(f"{msg} The connection ends."))

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError:
                return self.send_400_response("Invalid HTTP request received.")
            else:
                return None
        return None

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Return a head once more, and what follows, as if it asked for no other protocol.

        Nobody has to change it. To the parser what follows is no longer HTTP: a body would be
        lost, or taken for another request.
        """
        if not self._wants_upgrade:
            return b""  # a tunnel's
        self._wants_upgrade = False
        version = self.parser.get_http_version().encode()
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
        kept = (b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"".join((line, *kept, b"\r\n", rest))

    def _await(self, part: Literal["head", "body"] | None) -> None:
        """Wait for a part of a request; more of the same part gives no more time."""
        if part == self._awaited:
            return
        if self._deadline:
            self._deadline.cancel()
        self._awaited = part
        self._deadline = self.loop.call_later(self.patience_s, self._on_late) if part else None

    def _on_late(self) -> None:
        body_bytes, self._body_bytes = self._body_bytes, 0
        part, self._awaited = self._awaited, None
        if self._refused or (part == "head" and not self._bare_bytes):
            self.transport.close()  # it never asked for anything
        elif self._gets_on(part, body_bytes):
            self._await(part)
        else:
            self._refuse(
                RequestTooSlow(
                    f"A request's head has to come within {self.patience_s:g} s, and at least "
                    f"{self.min_body_bytes} bytes of its body in as much time again."
                )
            )

    def _gets_on(self, part: Literal["head", "body"] | None, body_bytes: int) -> bool:
        """Tell whether a request that is not whole yet may take its time."""
        answered = not self.cycle or self.cycle.response_complete
        if part == "head":
            return not answered  # a next request, while the one before is still being answered
        # Nothing is read while the app does not; after an answer nobody needs the rest.
        return not answered and (self.flow.read_paused or body_bytes >= self.min_body_bytes)

    def _too_large(self) -> Problem:
        limit = f"the limit is {self.max_head_bytes} bytes for address and headers together"
        if len(self.url) * 2 > self.max_head_bytes:
            return AddressTooLong(f"Shorten the address: {limit}.")
        return HeadersTooLarge(f"Send fewer or shorter headers: {limit}.")

    def _refuse(self, problem: Problem) -> None:
        """End the connection, with an answer if it is this request's turn."""
        self._refused = True
        _logger.info("request_refused", status=problem.status, reason=problem.slug)
        self._await(None)
        self._unset_keepalive_if_required()
        if self._in_body and self.cycle.response_complete:
            self.transport.close()  # it has its answer
        elif self._answers_another():
            self.transport.abort()
        else:
            if self._in_body:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._answer(problem)

    def _answers_another(self) -> bool:
        """Tell whether an answer is under way, into which no other may be written."""
        if not self.cycle or self.cycle.response_complete:
            return False
        return bool(self.pipeline) or self.cycle.response_started or not self._in_body

    def _answer(self, problem: Problem) -> None:
        """Answer without the app, and end the connection."""
        body = to_json(problem.document)
        self.transport.write(
            STATUS_LINE[problem.status]
            + f"content-type: {PROBLEM_TYPE}\r\ncontent-length: {len(body)}\r\n".encode()
            + b"connection: close\r\n\r\n"
            + body
        )
        # What is closed with bytes unread is reset, and the answer may be lost.
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(self.linger_s, self.transport.close)
