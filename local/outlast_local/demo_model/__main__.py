"""The demo model: a stand-in for a provider, so that everything runs without a key.

Serves OpenAI's chat completions (plain and streamed) on what `rules` says; what it does with the
tools of the module AGENTS can be written into a file beside them (`script`). Thinking time is
`DEMO_MODEL_DELAY_S` or `--delay-s`; a streamed answer is paced in proportion, to be watched.

    python -m outlast_local.demo_model --port 8089
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
import uuid
from dataclasses import replace

from aiohttp import web

from outlast_local.demo_model import openai_wire, rules
from outlast_local.demo_model.openai_wire import Answer
from outlast_local.demo_model.script import Script, load

MODEL = "demo"
_DELAY_S = web.AppKey("delay_s", float)
_SCRIPT = web.AppKey("script", Script)
_PACE = 1 / 15  # of the delay, between two chunks
_MAX_REQUEST_BYTES = 64 * 1024 * 1024


def create_app(script: Script, delay_s: float = 0.3) -> web.Application:
    """Build the server; `delay_s` passes before an answer begins."""
    app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
    app[_DELAY_S] = delay_s
    app[_SCRIPT] = script
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/healthz", _healthz)
    return app


async def _chat(request: web.Request) -> web.StreamResponse:
    body = openai_wire.parse_object(await request.read())
    if body is None or not isinstance(body.get("messages"), list):
        problem = "The body must be a JSON object with a list `messages`."
        return web.json_response(
            openai_wire.error(problem, type_="invalid_request_error"), status=400
        )
    answer = replace(
        rules.answer(body, request.app[_SCRIPT]),
        model=MODEL,
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
    )
    if body.get("stream"):
        return await _stream(request, answer, include_usage=openai_wire.wants_usage(body))
    await asyncio.sleep(request.app[_DELAY_S])
    return web.json_response(openai_wire.completion(answer))


async def _stream(
    request: web.Request, answer: Answer, *, include_usage: bool
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(request.app[_DELAY_S])
    for event in openai_wire.stream(answer, include_usage=include_usage):
        await response.write(event)
        await asyncio.sleep(request.app[_DELAY_S] * _PACE)
    await response.write_eof()
    return response


async def _models(_: web.Request) -> web.Response:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "outlast"}
    return web.json_response({"object": "list", "data": [model]})


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m outlast_local.demo_model", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8089)
    delay_s = float(os.environ.get("DEMO_MODEL_DELAY_S", "0.3"))
    parser.add_argument("--delay-s", type=float, default=delay_s)
    options = parser.parse_args()

    def announce(_: str) -> None:
        # Flushed, since a parent process may wait for it: from here on, requests are answered.
        print(f"The demo model is at http://{options.host}:{options.port}/v1", flush=True)

    web.run_app(
        create_app(load(os.environ.get("AGENTS", "")), options.delay_s),
        host=options.host,
        port=options.port,
        access_log=None,
        print=announce,
        # An answer in progress is worth nothing: whoever asked asks again.
        shutdown_timeout=0.1,
        handler_cancellation=True,
    )


if __name__ == "__main__":
    main()
