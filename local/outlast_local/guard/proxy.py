"""Passes requests on to Restate and answers back, piece by piece as they come."""

import json
from collections.abc import Mapping

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from outlast.addresses import Address
from outlast.errors import Problem
from outlast.logging import get_logger
from outlast_local.guard.problems import RestateUnreachable, UnclearHead
from outlast_local.guard.visitors import Doorkeeper, DoorName, Request

HEADER_BYTES = 64 * 1024
"""The most that a line of a head may have."""

_CONNECT_TIMEOUT_S = 5
# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What the client would add where the caller says nothing.
_NEVER_ADDED = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT)
# Where Restate does not say them itself. The last two keep what is here out of other pages, also
# in browsers that don't say where a request comes from.
_ADDED: Mapping[str, str] = {
    "Server": "outlast-guard",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
}
_logger = get_logger()


class Door:
    """One of Restate's two addresses, for those whom its keeper lets in."""

    def __init__(self, name: DoorName, restate: Address, keeper: Doorkeeper) -> None:
        self._name = name
        self._base = URL(restate.base_url)
        self._keeper = keeper
        # A connection for each request, which costs little here: on one that is kept, Restate
        # may be gone, and most requests can't be repeated.
        connector = (
            aiohttp.UnixConnector(restate.socket, force_close=True, limit=0)
            if restate.socket
            else aiohttp.TCPConnector(force_close=True, limit=0)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # No limit for the answer: a request may wait for a run's end.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
            skip_auto_headers=_NEVER_ADDED,
            auto_decompress=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )

    async def close(self) -> None:
        """End what is under way."""
        await self._session.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Refuse a request, or have Restate answer it."""
        seen = Request(request.method, request.raw_path, request.headers)
        if problem := self._keeper.refuse(seen) or _refuse_bytes(request.headers):
            _logger.debug("refused", door=self._name, slug=problem.slug, detail=problem.detail)
            return _render(problem)
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun
        try:
            async with self._session.request(
                request.method,
                self._url(request),
                headers=_passed_on(request.headers, hdrs.EXPECT),
                data=request.content if request.body_exists else None,
                allow_redirects=False,
            ) as answer:
                return await _pass_back(answer, request)
        except aiohttp.ClientError as error:
            return _render(self._unreachable(error))

    def _url(self, request: web.BaseRequest) -> URL:
        """Return the address at Restate, each character of path and query as it came."""
        return URL.build(
            scheme=self._base.scheme,
            authority=self._base.authority,
            path=request.rel_url.raw_path,
            query_string=request.rel_url.raw_query_string,
            encoded=True,
        )

    def _unreachable(self, error: aiohttp.ClientError) -> Problem:
        if isinstance(error, aiohttp.ClientConnectorError):
            return RestateUnreachable(
                f"Restate's {self._name} is not there. Start Restate, or wait until it is up."
            )
        return RestateUnreachable(
            f"Restate's {self._name} was lost before it answered. It may have taken the request: "
            "look before you repeat it."
        )


async def _pass_back(
    answer: aiohttp.ClientResponse, request: web.BaseRequest
) -> web.StreamResponse:
    headers = _passed_on(answer.headers)
    if hdrs.ORIGIN not in request.headers:
        for name in [name for name in headers if name.lower().startswith("access-control-")]:
            headers.popall(name)
    for name, value in _ADDED.items():
        headers.setdefault(name, value)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except aiohttp.ClientError as error:
        # The rest will not come, which only a broken connection says.
        _logger.debug("answer_cut", reason=repr(error))
        if request.transport is not None:
            request.transport.abort()
    return response


def _refuse_bytes(headers: MultiMapping[str]) -> Problem | None:
    """Refuse what aiohttp would leave out of a header without a word."""
    try:
        for value in headers.values():
            value.encode()
    except UnicodeEncodeError:
        return UnclearHead("Write headers in UTF-8, and encode other bytes.")
    return None


def _passed_on(headers: MultiMapping[str], *dropped: str) -> CIMultiDict[str]:
    """Return the headers that are for whoever is behind the next connection."""
    listed = ",".join(headers.getall(hdrs.CONNECTION, [])).lower().split(",")
    left_out = {*_HOP_BY_HOP, *(name.strip() for name in listed), *map(str.lower, dropped)}
    return CIMultiDict((name, v) for name, v in headers.items() if name.lower() not in left_out)


def _render(problem: Problem) -> web.Response:
    return web.Response(
        status=problem.status,
        body=json.dumps(problem.document).encode(),
        content_type="application/problem+json",
        headers=_ADDED,
    )
