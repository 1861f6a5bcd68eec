"""What the guard passes on and back, over real sockets."""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from unit.local.guard.conftest import Guarded, StandIn

DEADLINE_S = 20
PIECE = bytes(range(256)) * 256  # 64 KiB
PIECES = 512  # 32 MiB in all


async def test_a_request_arrives_as_it_was_sent(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    bodies: list[bytes] = []

    async def keep(request: web.BaseRequest) -> web.StreamResponse:
        bodies.append(await request.read())
        return web.Response(status=202)

    restate.handler = keep
    sent = {
        "x-restate-id": "inv_1",
        "Idempotency-Key": "a",
        "traceparent": "00-1-2-03",
        "Content-Type": "application/json",
        "Authorization": "Bearer x",
    }
    async with client.post(guard.url("/Thread/a/submit?x=1"), data=b'{"a":1}', headers=sent):
        pass
    [head] = restate.heads
    assert (head.method, head.raw_path) == ("POST", "/Thread/a/submit?x=1")
    assert bodies == [b'{"a":1}']
    assert sent.items() <= dict(head.headers).items()
    assert head.headers["Host"] == f"127.0.0.1:{guard.ingress}"


async def test_nothing_is_added_that_the_caller_did_not_say(guard: Guarded, restate: StandIn):
    await guard.raw("POST /a HTTP/1.1", "Host: localhost", "Content-Length: 0")
    assert {name.lower() for name in restate.heads[0].headers} == {
        "host",
        "content-length",
        "connection",
    }


@pytest.mark.parametrize(
    "target",
    [
        "/Thread/tenant%2Frun/submit",
        "/a/../b/./c",
        "/%2e%2e/x",
        "//evil.example/x",
        "/a?b=%20+%2B&c",
        "/a;b=c/d,e/{f}",
    ],
)
async def test_a_path_keeps_each_of_its_characters(guard: Guarded, restate: StandIn, target: str):
    answer = await guard.raw(f"GET {target} HTTP/1.1", "Host: localhost")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert restate.heads[0].raw_path == target


async def test_a_whole_url_as_target_is_passed_on_as_its_path(guard: Guarded, restate: StandIn):
    await guard.raw("GET http://localhost/a/../b?c=d HTTP/1.1", "Host: localhost")
    assert restate.heads[0].raw_path == "/a/../b?c=d"


async def test_what_is_for_one_connection_stays_on_it(guard: Guarded, restate: StandIn):
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Connection": "x-hop", "X-Hop": "1", "Keep-Alive": "timeout=5", "X-Kept": "1"}
        return web.Response(text="x", headers=headers)

    restate.handler = answer
    came = await guard.raw(
        "GET / HTTP/1.1",
        "Host: localhost",
        "Connection: X-One, keep-alive",
        "X-One: 1",
        "TE: trailers",
        "Upgrade: h2c",
        "Proxy-Authorization: Basic x",
        "X-Two: 2",
    )
    headers = restate.heads[0].headers
    assert not {"X-One", "TE", "Upgrade", "Proxy-Authorization"} & set(headers)
    assert headers["X-Two"] == "2"
    head = came.partition(b"\r\n\r\n")[0].lower()
    assert b"x-kept: 1" in head
    assert b"x-hop" not in head
    assert b"keep-alive" not in head


async def test_a_websocket_is_not_opened(guard: Guarded, restate: StandIn):
    await guard.raw(
        "GET / HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert "Upgrade" not in restate.heads[0].headers


async def test_an_answer_comes_back_as_it_was_given(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    packed = gzip.compress(b"text")

    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(status=470, reason="Not Ready", body=packed)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["x-restate-error-source"] = "invocation"
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    restate.handler = answer
    async with client.get(guard.url()) as came:
        assert (came.status, came.reason, await came.read()) == (470, "Not Ready", packed)
        assert came.headers["x-restate-error-source"] == "invocation"
        assert came.headers.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_a_redirect_is_the_callers_to_follow(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=308, headers={"Location": "/ui/"})

    restate.handler = answer
    async with client.get(guard.url(), allow_redirects=False) as came:
        assert (came.status, came.headers["Location"]) == (308, "/ui/")
    assert len(restate.heads) == 1


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_stays_without(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession, status: int
):
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status)

    restate.handler = answer
    for _ in range(2):  # the second on the same connection
        async with client.get(guard.url()) as came:
            assert (came.status, await came.read()) == (status, b"")


async def test_head_tells_the_length_of_what_it_does_not_send(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="four")

    restate.handler = answer
    async with client.head(guard.url()) as came:
        assert came.headers["Content-Length"] == "4"
    async with client.get(guard.url()) as came:
        assert await came.text() == "four"


async def test_old_clients_are_answered_without_chunks(guard: Guarded, restate: StandIn):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        await response.write(b"two")
        return response

    restate.handler = answer
    came = await guard.raw("GET / HTTP/1.0", "Host: localhost")
    assert came.endswith(b"\r\n\r\nonetwo")
    assert b"chunked" not in came


async def test_pieces_of_an_answer_come_when_they_are_sent(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    seen = asyncio.Semaphore(0)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)  # a head without anything after it
        for number in range(3):
            await seen.acquire()
            await response.write(f"data: {number}\n\n".encode())
        return response

    restate.handler = answer
    async with asyncio.timeout(DEADLINE_S), client.get(guard.url()) as came:
        for number in range(3):
            seen.release()  # the next one is only sent when the one before was read
            assert await came.content.readany() == f"data: {number}\n\n".encode()
        assert await came.read() == b""


async def test_pieces_of_a_request_arrive_when_they_are_sent(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    seen = asyncio.Semaphore(0)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        async for _piece in request.content.iter_any():
            seen.release()
        return web.Response()

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield str(number).encode()
            await seen.acquire()

    restate.handler = answer
    async with asyncio.timeout(DEADLINE_S), client.post(guard.url(), data=pieces()) as came:
        assert came.status == 200


@pytest.mark.parametrize("sized", [True, False])
async def test_large_bodies_pass_whole_both_ways(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession, sized: bool
):
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = request.content_length
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield PIECE

    restate.handler = echo
    headers = {"Content-Length": str(len(PIECE) * PIECES)} if sized else {}
    digest, length = hashlib.sha256(), 0
    async with (
        asyncio.timeout(DEADLINE_S),
        client.post(guard.url(), data=pieces(), headers=headers) as came,
    ):
        async for piece in came.content.iter_any():
            digest.update(piece)
            length += len(piece)
    assert restate.heads[0].content_length == (len(PIECE) * PIECES if sized else None)
    assert length == len(PIECE) * PIECES
    assert digest.digest() == hashlib.sha256(PIECE * PIECES).digest()
