"""Plays one scripted step as an HTTP answer: plain or streamed, whole or broken off."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aiohttp import web

from fakes import messages_wire
from fakes.script import Ending, Hang, Play, Reply, Single
from outlast_local.demo_model import openai_wire

_LINGER_ZERO = struct.pack("ii", 1, 0)


async def play(step: Single, request: web.Request, body: Any) -> web.StreamResponse:
    """Answer a request as the step says; returns when the answer has ended."""
    match step:
        case Hang():
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        case Play():
            return await _send(request, step)
        case Reply():
            return await _reply(step, request, body)


async def _reply(step: Reply, request: web.Request, body: Any) -> web.StreamResponse:
    await asyncio.sleep(step.delay_s)
    asked = body if isinstance(body, dict) else {}
    usage = step.usage or openai_wire.count_usage(asked.get("messages", []), step.answer)
    answer = replace(step.answer, usage=usage, model=asked.get("model", step.answer.model))
    if request.path.endswith("/messages"):
        message = messages_wire.message_of(answer)
        if asked.get("stream"):
            return await _stream(request, step, messages_wire.stream(message))
        return await _plain(request, step, json.dumps(message).encode())
    if asked.get("stream"):
        events = openai_wire.stream(answer, include_usage=openai_wire.wants_usage(asked))
        return await _stream(request, step, events)
    return await _plain(request, step, json.dumps(openai_wire.completion(answer)).encode())


async def _plain(request: web.Request, step: Reply, content: bytes) -> web.StreamResponse:
    if step.gate is not None:
        await step.gate.hold()
    if step.stop_after_chunks is not None:
        content = content[: len(content) // 2]
    headers = {"content-type": "application/json"}
    return await _send(request, Play(content, 200, headers, step.ending))


async def _stream(request: web.Request, step: Reply, events: Iterable[bytes]) -> web.StreamResponse:
    gate = step.gate
    if gate is not None and gate.after_chunks == 0:
        await gate.hold()
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for sent, event in enumerate(events, start=1):
        if step.stop_after_chunks is not None and sent > step.stop_after_chunks:
            break
        await response.write(event)
        if gate is not None and gate.after_chunks == sent:
            await gate.hold()
        await asyncio.sleep(step.pace_s)
    return await _end(request, response, step.ending)


async def _send(request: web.Request, step: Play) -> web.StreamResponse:
    response = web.StreamResponse(headers=step.headers)
    if step.status is not None:
        response.set_status(step.status)
        await response.prepare(request)
        await response.write(step.body)
    return await _end(request, response, step.ending)


async def _end(
    request: web.Request, response: web.StreamResponse, ending: Ending
) -> web.StreamResponse:
    transport = request.transport
    if ending is Ending.COMPLETE or transport is None:
        await response.write_eof()
        return response
    if ending is Ending.RESET:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    else:
        transport.close()
    return response
