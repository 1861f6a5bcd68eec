"""A provider in this process that follows the scripts of tests, over HTTP in OpenAI's format.

A script belongs to what the user says. So the same request always gets the same answer, however
often a worker that crashed repeats it; only faults are gone through, one per request.
"""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from outlast_local.demo_model import openai_wire
from outlast_worker.testing.script import Scripted, ScriptedAnswer, ScriptedFault

_MAX_REQUEST_BYTES = 64 * 1024 * 1024
_TIMEOUT_STATUS = 408
_GARBLED = b'data: {"choices": [{\n\n'


class ModelServer:
    """Serves from `start` to `stop`, in a thread of its own."""

    def __init__(self) -> None:
        self.url = ""
        self._scripts: dict[str, list[list[Scripted]]] = {}
        self._asked: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._problems: dict[str, str] = {}
        self._lock = threading.Lock()
        self._started: Future[int] = Future()
        self._stopping: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="scripted-model", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._started.result()}/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop, stop = self._stopping.result()
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def script(self, said: str, model: Sequence[Scripted]) -> None:
        """Follow a script wherever a user says this; in place of an earlier one."""
        with self._lock:
            self._scripts[said] = _by_turn(model)
            self._problems.pop(said, None)
            for asked in [key for key in self._asked if key[0] == said]:
                del self._asked[asked]

    def problem(self, said: str) -> str | None:
        """Tell what of a script did not fit what was asked, if that is so."""
        with self._lock:
            if said in self._problems:
                return self._problems[said]
            for turn, each in enumerate(self._scripts[said], start=1):
                unused = each[self._asked[said, turn] :]
                if unused:
                    return (
                        f"of `model=[…]` this was not asked for in turn {turn}: "
                        f"{', '.join(str(one) for one in unused)}."
                    )
            return None

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_post("/v1/chat/completions", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stop = asyncio.Event()
        self._stopping.set_result((asyncio.get_running_loop(), stop))
        self._started.set_result(runner.addresses[0][1])
        await stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = await request.json()
        with self._lock:
            scripted = self._next(body["messages"])
        match scripted:
            case str():
                error = openai_wire.error(scripted, type_="unscripted")
                return web.json_response(error, status=400)
            case ScriptedFault():
                return _fail(scripted)
            case ScriptedAnswer():
                return await _write(request, body, scripted)

    def _next(self, messages: Sequence[dict[str, Any]]) -> Scripted | str:
        """Return what comes next, or what is wrong."""
        turn = 1
        for message in reversed(messages):
            said = openai_wire.content_text(message)
            if message["role"] == "user" and said in self._scripts:
                return self._in_turn(said, turn)
            turn += message["role"] == "assistant"
        return f"No script is for what the user says here. There are: {list(self._scripts)}"

    def _in_turn(self, said: str, turn: int) -> Scripted | str:
        turns = self._scripts[said]
        if turn > len(turns):
            self._problems[said] = (
                f"the model is asked in turn {turn}, and `model=[…]` has {len(turns)} answers."
            )
            return self._problems[said]
        each = turns[turn - 1]
        self._asked[said, turn] += 1
        return each[min(self._asked[said, turn], len(each)) - 1]


def _by_turn(model: Sequence[Scripted]) -> list[list[Scripted]]:
    """Put faults beside the answer that comes after them: it is the same turn's next try."""
    turns: list[list[Scripted]] = [[]]
    for scripted in model:
        turns[-1].append(scripted)
        if isinstance(scripted, ScriptedAnswer):
            turns.append([])
    return [turn for turn in turns if turn]


def _fail(fault: ScriptedFault) -> web.Response:
    symptoms = fault.symptoms
    if symptoms.sign == "malformed":
        return web.Response(body=_GARBLED, content_type="text/event-stream")
    after = symptoms.retry_after_s
    return web.json_response(
        openai_wire.error(symptoms.text, type_="scripted", code=symptoms.code or None),
        status=symptoms.status or _TIMEOUT_STATUS,
        headers={} if after is None else {"retry-after": str(after)},
    )


async def _write(
    request: web.Request, body: dict[str, Any], scripted: ScriptedAnswer
) -> web.StreamResponse:
    answer = openai_wire.Answer(
        text=scripted.text or None,
        reasoning=scripted.reasoning or None,
        tool_calls=tuple(
            openai_wire.ToolCall(f"call_{index}", call.name, call.arguments)
            for index, call in enumerate(scripted.calls)
        ),
        finish_reason=scripted.finish_reason,
        usage=openai_wire.Usage(),
        model=body["model"],
    )
    if not body.get("stream"):
        return web.Response(
            text=json.dumps(openai_wire.completion(answer)), content_type="application/json"
        )
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for event in openai_wire.stream(answer, include_usage=openai_wire.wants_usage(body)):
        await response.write(event)
    await response.write_eof()
    return response
