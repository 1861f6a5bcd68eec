"""A model that answers at once, in OpenAI's wire format. What it is asked says how it answers.

`tools=2` in a message: two tool calls, one per turn, before the answer. `chunks=400`: so many
tokens; `pause_ms=20` before each; `delay_ms=200` before all; `bytes=2000`: so long an answer.
`id=x`: `GET /arrivals/x` tells when it was asked (`time.monotonic`); `GET /received` how often, and
with how many bytes in all. A token is four bytes. Each token of a stream with
pauses is the time at which it was sent, so that its lag can be read off.

python -m benchmarks.model_server PORT
"""

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import uvloop
from aiohttp import web

from benchmarks.measuring import ANSWER

_SAID = re.compile(rb"\b(tools|chunks|pause_ms|delay_ms|bytes|id)=(\w+)")
_RESULT = re.compile(rb'"role"\s*:\s*"tool"')
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "bench"}

_Chunk = Callable[[], dict[str, object]]
arrivals: dict[str, list[float]] = defaultdict(list)
received: list[int] = []
"""The bytes of each request."""


async def complete(request: web.BaseRequest) -> web.StreamResponse:
    """Answer one call."""
    if request.path.startswith("/arrivals/"):
        return web.json_response(arrivals[request.path.removeprefix("/arrivals/")])
    if request.path == "/received":
        return web.json_response([len(received), sum(received)])
    body = await request.read()
    received.append(len(body))
    said = {name.decode(): value.decode() for name, value in _SAID.findall(body)}
    if "id" in said:
        arrivals[said["id"]].append(time.monotonic())
    await asyncio.sleep(int(said.get("delay_ms", 0)) / 1000)
    done = len(_RESULT.findall(body))
    call = done if done < int(said.get("tools", 0)) else None
    text = ANSWER.ljust(int(said.get("bytes", 0)), ".")
    if not _STREAM.search(body):
        return web.json_response(_whole(call, text, _usage(body)))
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    pause_s = int(said.get("pause_ms", 0)) / 1000
    due = time.monotonic()
    for chunk in _chunks(call, text, int(said.get("chunks", 0)), pause_s, _usage(body)):
        if pause_s:
            due += pause_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await response.write(b"data: " + json.dumps(chunk()).encode() + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


def _usage(body: bytes) -> dict[str, int]:
    read, said = len(body) // 4, 5
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def _whole(call: int | None, text: str, usage: dict[str, int]) -> dict[str, object]:
    message: dict[str, object] = {
        "role": "assistant",
        "content": None if call is not None else text,
    }
    if call is not None:
        message["tool_calls"] = [_call(call)]
    choice = {"index": 0, "message": message, "finish_reason": _reason(call)}
    return {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": usage}


def _chunks(
    call: int | None, text: str, tokens: int, pause_s: float, usage: dict[str, int]
) -> Iterator[_Chunk]:
    if call is not None:
        yield lambda: _delta({"role": "assistant", "tool_calls": [{"index": 0, **_call(call)}]})
    elif tokens and pause_s:
        for _ in range(tokens):
            yield lambda: _delta({"content": f"{time.monotonic():.4f} "})
    elif tokens:
        for index in range(tokens):
            yield lambda: _delta({"content": f"word{index} "})  # noqa: B023  # called at once
    else:
        yield lambda: _delta({"role": "assistant", "content": text})
    yield lambda: {**_delta({}, _reason(call)), "usage": usage}


def _delta(delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def _call(index: int) -> dict[str, object]:
    arguments = json.dumps({"query": f"item {index}"})
    function = {"name": "lookup", "arguments": arguments}
    return {"id": f"call_{index}", "type": "function", "function": function}


def _reason(call: int | None) -> str:
    return "stop" if call is None else "tool_calls"


async def main() -> None:
    """Serve until the process ends."""
    runner = web.ServerRunner(web.Server(complete))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), backlog=2048).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
