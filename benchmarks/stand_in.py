"""Restate's ingress and the worker's live channel, for an app that is measured alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from aiohttp import web
from pydantic import JsonValue

from outlast.contract import EventPage, ReturnedRun, SettledAnswer, SubmitAnswer
from outlast.events import (
    AnyEvent,
    MessageCompleted,
    RunCompleted,
    RunStarted,
    ToolCallCompleted,
    ToolCallStarted,
    TurnStarted,
)
from outlast.live import Committed, Delta, LiveItem, Snapshot, write_line
from outlast.protocol import Message, Run, ToolCall, Usage

_PAUSE_S = 0.05  # as the worker's WORKER_LIVE_INTERVAL_S
_USAGE = Usage(input_tokens=300, output_tokens=60, model_calls=3, tool_calls=2)
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_Role = Literal["user", "assistant", "tool"]


class StandIn:
    """Answers at once, for runs that have ended, or whose text comes in so many pieces.

    How many a run's input says.
    """

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Event] = {}
        self._pieces: dict[str, int] = {}
        """How many come, of the runs that are watched."""

    @asynccontextmanager
    async def serving(self, ingress: Path, worker_port: int) -> AsyncGenerator[None]:
        """Serve both."""
        app = web.Application()
        app.router.add_post("/restate/call/Thread/{key}/submit", self._submit)
        app.router.add_post("/restate/call/{agent}/{key}/run", self._run)
        app.router.add_post("/restate/send/{agent}/{key}/run", self._send)
        app.router.add_post("/restate/call/{agent}/{key}/settled", self._settled)
        app.router.add_post("/restate/call/{agent}/{key}/events", self._events)
        app.router.add_get("/restate/workflow/{agent}/{key}/output", self._output)
        app.router.add_get("/restate/workflow/{agent}/{key}/attach", self._attach)
        app.router.add_get("/streams/{key:.+}", self._live)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(ingress)).start()
        await web.TCPSite(runner, "127.0.0.1", worker_port).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _run(self, request: web.Request) -> web.Response:
        await _take_time(request)
        return _json(_returned(_run_id(request)).model_dump_json())

    async def _send(self, request: web.Request) -> web.Response:
        order = await request.json()
        if order["stream"]:
            self._ends[order["run_id"]] = asyncio.Event()
            self._pieces[order["run_id"]] = int(order["input"][0]["content"])
        return web.json_response({"invocationId": "inv_1", "status": "Accepted"}, status=202)

    async def _submit(self, _request: web.Request) -> web.Response:
        return _json(SubmitAnswer(outcome="granted").model_dump_json())

    async def _settled(self, request: web.Request) -> web.Response:
        await _take_time(request)
        return _json(SettledAnswer(outcome="ended").model_dump_json())

    async def _output(self, _request: web.Request) -> web.Response:
        return web.json_response({"message": "not ready"}, status=470)

    async def _attach(self, request: web.Request) -> web.Response:
        run_id = _run_id(request)
        if end := self._ends.get(run_id):
            await end.wait()
        await _take_time(request)
        return _json(_returned(run_id).model_dump_json())

    async def _events(self, request: web.Request) -> web.Response:
        page = EventPage(events=[*_begun(_run_id(request))])
        return _json(page.model_dump_json())

    async def _live(self, request: web.Request) -> web.StreamResponse:
        run_id = _run_id(request)
        answer = web.StreamResponse()
        if run_id not in self._ends:
            raise web.HTTPNotFound
        await answer.prepare(request)

        async def say(item: LiveItem) -> None:
            await answer.write(write_line(run_id, item) + b"\n")

        with suppress(ConnectionError):  # it left, since it has the end
            await say(Committed(2, 0))
            await say(Snapshot(1, 1, 0, "", ""))
            for number in range(self._pieces.pop(run_id)):
                await say(Delta("text", 1, 1, number, f"word{number} "))
                await asyncio.sleep(_PAUSE_S)
            await say(Committed(10, 3, ending=True))
            self._ends.pop(run_id).set()
            while True:  # until it leaves
                await asyncio.sleep(_PAUSE_S)
                await answer.write(b"\n")
        return answer


async def _take_time(request: web.Request) -> None:
    """Let a run that may ask people go on for as long as others do, so that it is asked for."""
    if request.match_info["agent"] == "careful":
        await asyncio.sleep(_PAUSE_S)


def _run_id(request: web.Request) -> str:
    return unquote(request.match_info["key"]).rpartition("/")[2]


def _json(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json")


def _begun(run_id: str) -> list[AnyEvent]:
    return [
        RunStarted(run_id=run_id, seq=1),
        TurnStarted(run_id=run_id, seq=2, turn=1),
    ]


def _returned(run_id: str) -> ReturnedRun:
    """Return a run of five steps as its workflow returns it."""

    def said(
        role: Literal["user", "assistant", "tool"], name: str, text: str, **of: Any
    ) -> Message:
        return Message(id=name, role=role, content=text, run_id=run_id, created_at=_AT, **of)

    messages = [said("user", "1.in", "What is the answer?")]
    events = _begun(run_id)
    for turn in (1, 2):
        call_id, found = f"{turn}.0", dict[str, JsonValue](query="the answer")
        calls = [ToolCall(call_id=call_id, name="lookup", arguments=found)]
        messages.append(said("assistant", f"{turn}.out", "", tool_calls=calls, agent="plain"))
        messages.append(said("tool", call_id, "value of the answer", call_id=call_id))
        about = {"run_id": run_id, "call_id": call_id, "name": "lookup", "at": _AT}
        events += [
            _completed(run_id, turn, messages[-2]),
            ToolCallStarted(**about, seq=3, turn=turn, arguments=found),
            ToolCallCompleted(**about, seq=3, is_error=False, output="value", duration_ms=1),
            TurnStarted(run_id=run_id, seq=3, turn=turn + 1),
        ]
    messages.append(said("assistant", "3.out", "The answer is 42.", agent="plain"))
    run = Run(
        run_id=run_id,
        agent="plain",
        status="completed",
        turn=3,
        output="The answer is 42.",
        usage=_USAGE,
        input_preview="What is the answer?",
        created_at=_AT,
        started_at=_AT,
        ended_at=_AT,
    )
    events += [_completed(run_id, 3, messages[-1]), RunCompleted(run_id=run_id, seq=3, run=run)]
    last = [event.model_copy(update={"seq": n}) for n, event in enumerate(events[-8:], start=3)]
    return ReturnedRun.of(run.model_copy(update={"messages": messages}), last)


def _completed(run_id: str, turn: int, message: Message) -> MessageCompleted:
    return MessageCompleted(
        run_id=run_id,
        seq=3,
        at=_AT,
        turn=turn,
        message=message,
        usage=_USAGE,
        model="openai/bench",
        finish_reason="stop",
    )
