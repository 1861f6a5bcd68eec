"""What becomes of connections: who is slow, who leaves, and what breaks on the way."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from unit.local.guard.conftest import Guarded, StandIn

DEADLINE_S = 20
PIECE = bytes(range(256)) * 256  # 64 KiB
PIECES = 512  # 32 MiB in all


async def test_a_slow_reader_holds_up_the_sender_and_not_the_memory(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    written = 0
    stopped = asyncio.Event()

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            try:
                async with asyncio.timeout(0.5):
                    await response.write(PIECE)
            except TimeoutError:
                stopped.set()
                await asyncio.Event().wait()
            written += len(PIECE)

    restate.handler = flood
    async with asyncio.timeout(DEADLINE_S), client.get(guard.url()) as came:
        assert came.status == 200
        await stopped.wait()
    # Sockets and both ends hold some of it; without an end it would be gigabytes.
    assert written < 32 * 1024 * 1024


async def test_who_waits_and_leaves_leaves_restate_too(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    waiting, left = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.BaseRequest) -> web.StreamResponse:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    restate.handler = wait
    async with asyncio.timeout(DEADLINE_S):
        call = asyncio.create_task(client.get(guard.url("/restate/call/x")).__aenter__())
        await waiting.wait()
        call.cancel()
        await left.wait()


async def test_who_leaves_in_the_middle_of_a_request_leaves_restate_too(
    guard: Guarded, restate: StandIn
):
    begun, broken = asyncio.Event(), asyncio.Event()

    async def read(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            await request.read()
        finally:
            broken.set()
        pytest.fail("half a request was taken for a whole one")

    restate.handler = read
    async with asyncio.timeout(DEADLINE_S):
        _, writer = await asyncio.open_connection("127.0.0.1", guard.ingress)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"3\r\none\r\n")
        await begun.wait()
        writer.close()
        await broken.wait()


async def test_an_answer_that_breaks_off_does_not_look_whole(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    async def break_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.abort()
        return response

    restate.handler = break_off
    with pytest.raises(aiohttp.ClientError):
        async with client.get(guard.url()) as came:
            await came.read()


async def test_one_connection_serves_many_requests(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    reader, writer = await asyncio.open_connection("127.0.0.1", guard.ingress)
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(len(b'{"ok": true}'))
        # A page can't come in behind a request that was let in.
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
    writer.close()
    assert len(restate.heads) == 3


async def test_a_body_is_asked_for_when_its_head_is_fine(guard: Guarded, restate: StandIn):
    async def length(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=str(len(await request.read())))

    restate.handler = length
    head = b"POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.ingress)
        writer.write(head % b"localhost")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"12345")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(1) == b"5"
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", guard.ingress)
        writer.write(head % b"evil.example")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 421 ")
        writer.close()


async def test_an_early_answer_reaches_who_still_sends(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=413, text="too large")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield PIECE

    restate.handler = refuse
    async with asyncio.timeout(DEADLINE_S), client.post(guard.url(), data=pieces()) as came:
        assert (came.status, await came.text()) == (413, "too large")


async def test_restate_that_is_not_there_is_a_502_that_says_so(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    restate.socket.unlink()
    async with client.get(guard.url()) as came:
        assert (came.status, came.content_type) == (502, "application/problem+json")
        problem = json.loads(await came.read())
    assert problem["type"] == "restate-unreachable"
    assert "Start Restate" in problem["detail"]


async def test_restate_that_is_lost_is_a_502_that_warns_of_repeating(
    guard: Guarded, restate: StandIn, client: aiohttp.ClientSession
):
    async def vanish(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        return web.Response()

    restate.handler = vanish
    async with client.post(guard.url(), data=b"{}") as came:
        assert came.status == 502
        assert "before you repeat it" in json.loads(await came.read())["detail"]
    assert len(restate.heads) == 1


async def test_heads_have_a_limit_and_long_ones_below_it_pass(guard: Guarded, restate: StandIn):
    fits, too_long = "a" * 60_000, "a" * 70_000
    for lines in ((f"GET /{fits} HTTP/1.1",), ("GET / HTTP/1.1", f"X-Long: {fits}")):
        answer = await guard.raw(lines[0], "Host: localhost", *lines[1:])
        assert answer.startswith(b"HTTP/1.1 200 ")
    for lines in ((f"GET /{too_long} HTTP/1.1",), ("GET / HTTP/1.1", f"X-Long: {too_long}")):
        answer = await guard.raw(lines[0], "Host: localhost", *lines[1:])
        assert answer.split()[1] == b"400"
    assert len(restate.heads) == 2


async def test_bytes_that_are_no_text_are_refused_rather_than_left_out(
    guard: Guarded, restate: StandIn
):
    await guard.raw("GET / HTTP/1.1", "Host: localhost", "X-Name: \N{SNOWMAN}")
    assert dict(restate.heads[0].raw_headers)[b"X-Name"] == "\N{SNOWMAN}".encode()
    answer = await guard.raw("GET / HTTP/1.1", "Host: localhost", "X-Name: \udcff")
    assert answer.split()[1] == b"400"
    assert b"UTF-8" in answer
    assert len(restate.heads) == 1


async def test_what_callers_do_wrong_fills_no_log(guard: Guarded, caplog: pytest.LogCaptureFixture):
    await guard.raw("GET / HTTP/1.1", "Host: localhost", f"X-Long: {'a' * 70_000}")
    await guard.raw("GET / HTTP/1.1", "Host: evil.example")
    await guard.raw("nonsense")
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]
