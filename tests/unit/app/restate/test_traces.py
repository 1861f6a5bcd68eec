"""What Restate is told of traces: of runs their own, of changes their request's, of reads none."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from fakes.orders import order
from fakes.records import NOON
from outlast.addresses import Address
from outlast.contract import DecideOrder
from outlast.errors import Problem
from outlast.names import ThreadRef
from outlast.protocol import Decision
from outlast.trace import Trace, trace_of
from outlast_app.closing import Closing
from outlast_app.restate.ingress import Ingress

CALLER = Trace(traceparent=f"00-{'a' * 32}-{'b' * 16}-01", tracestate="vendor=1")
ORDER = order(trace=CALLER)
REF, THREAD = ORDER.ref, ThreadRef("acme", "t")
_NOT_RECORDED = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00")

Call = Callable[[Ingress], Awaitable[object]]


@asynccontextmanager
async def listening() -> AsyncGenerator[tuple[Ingress, list[web.BaseRequest]]]:
    """Return an ingress client, and what a Restate that never is of use hears."""
    heard: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        heard.append(request)
        return web.json_response({}, status=470)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
            yield Ingress(session, Address.parse(site.name), "", Closing()), heard
    finally:
        await runner.cleanup()


async def headers_of(call: Call) -> web.BaseRequest:
    async with listening() as (ingress, heard):
        with suppress(Problem):  # of the answer
            await call(ingress)
        return heard[0]


@pytest.mark.parametrize(
    "read",
    [
        lambda i: i.status(REF),
        lambda i: i.events(REF, 0, 1),
        lambda i: i.outcome(REF),
        lambda i: i.wait(REF, 1),
        lambda i: i.same(ORDER.ref, ORDER.body_hash, 0),
        lambda i: i.settled(REF, 1, in_line=False),
        lambda i: i.thread_status(THREAD),
    ],
    ids=["status", "events", "outcome", "wait", "same", "settled", "thread"],
)
async def test_reads(read: Call) -> None:
    """Who only asks has nothing recorded, and no two questions share a trace."""
    first, second = await headers_of(read), await headers_of(read)
    traces = [request.headers["traceparent"] for request in (first, second)]
    assert all(map(_NOT_RECORDED.fullmatch, traces))
    assert traces[0] != traces[1]


@pytest.mark.parametrize(
    "start",
    [
        lambda i: i.start(ORDER),
        lambda i: i.start_and_wait(ORDER, 1),
        lambda i: i.submit(THREAD, ORDER, 1),
    ],
    ids=["start", "start and wait", "submit"],
)
async def test_starts(start: Call) -> None:
    """A run is started in its own span, below its caller's."""
    request = await headers_of(start)
    wanted = trace_of(REF, CALLER)
    assert request.headers["traceparent"] == wanted.traceparent
    assert request.headers["tracestate"] == "vendor=1"


DECIDED = DecideOrder(call_id="1.0", decision=Decision(action="approve"), at=NOON, trace=CALLER)


async def test_changes() -> None:
    """A change goes along in the trace of its request, or in none."""
    request = await headers_of(lambda i: i.decide(REF, DECIDED, "k"))
    assert request.headers["traceparent"] == CALLER.traceparent
    assert request.headers["tracestate"] == "vendor=1"
    untraced = DECIDED.model_copy(update={"trace": None})
    request = await headers_of(lambda i: i.decide(REF, untraced, "k"))
    assert "traceparent" not in request.headers
