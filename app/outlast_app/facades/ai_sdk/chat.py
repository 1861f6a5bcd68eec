"""`/ai-sdk/{agent}`: the addresses that `useChat` finds by `api` alone, and what ends a chat's run.

A chat is a thread. Its messages are compared with what the thread has; what goes on with a run that
waits for the client is told from the parts of its last answer.
"""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response

from outlast.agent import Agent
from outlast.errors import RunEnded, UnknownRun, UnknownThread
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Run
from outlast_app.bodies import read_open_body
from outlast_app.facades.ai_sdk.answers import go_on
from outlast_app.facades.ai_sdk.chunks import UiEncoder
from outlast_app.facades.ai_sdk.keys import AiSdkRoute
from outlast_app.facades.ai_sdk.messages import UiRequest
from outlast_app.facades.ai_sdk.seeding import ui_messages
from outlast_app.facades.ai_sdk.sending import begin
from outlast_app.facades.ai_sdk.told import Told
from outlast_app.facades.conversations import read_back, with_open
from outlast_app.facades.ids import thread_id_of
from outlast_app.facades.requests import Asked, Asking, name_run
from outlast_app.facades.streams import RunStream

router = APIRouter(tags=["chats"], route_class=AiSdkRoute)

_SEED = 1000  # messages of a chat that a page is loaded with: the newest
STREAM_HEADER = {"x-vercel-ai-ui-message-stream": "v1"}


@router.post("/{agent}")
async def send(agent: str, request: Request, asked: Asking) -> Response:
    """Take what the user says, decides, or has run in the page; stream the answer."""
    body = await read_open_body(request, UiRequest)
    found = asked.agent(agent)
    asked.hold_stream()
    try:
        holder = await asked.deps.threads.holder(_thread(asked, body.id))
    except UnknownThread:
        holder = None
    told = await go_on(asked, found, body, holder) or await begin(asked, found, body, holder)
    return _stream(request, asked, told)


@router.get("/{agent}/{chat:path}/stream")
async def resume(agent: str, chat: str, request: Request, asked: Asking) -> Response:
    """Tell the run that goes on in a chat from its beginning, then live; 204 if there is none."""
    run = await _active(asked, asked.agent(agent), chat)
    if run is None:
        return Response(status_code=204)
    return _stream(request, asked, Told.whole(run))


@router.post("/{agent}/{chat:path}/stop")
async def stop(agent: str, chat: str, request: Request, asked: Asking) -> Response:
    """Cancel the run that goes on in a chat: 204, also if there is none."""
    run = await _active(asked, asked.agent(agent), chat)
    if run is None:
        return Response(status_code=204)
    ref = RunRef(asked.tenant, run.run_id)
    with suppress(RunEnded):
        await asked.deps.runs.cancel(ref, asked.trace)
    return Response(status_code=204, headers=name_run(request, ref))


@router.get("/{agent}/{chat:path}/messages")
async def messages(agent: str, chat: str, asked: Asking) -> list[dict[str, Any]]:
    """Return the chat as `useChat` takes it for its first messages; none if it is new."""
    found = asked.agent(agent)
    run = await _active(asked, found, chat, messages=True)
    try:
        said = await read_back(asked, _thread(asked, chat), at_most=_SEED)
    except UnknownThread:
        return []
    return ui_messages(found, with_open(said, run) if run else said)


def _stream(request: Request, asked: Asked, told: Told) -> Response:
    ref = RunRef(asked.tenant, told.run.run_id)
    encoder = UiEncoder(
        ref.run_id, told.first, told.last, begins=told.begins, answered=told.answered
    )
    headers = {**name_run(request, ref), **STREAM_HEADER}
    return RunStream(asked, ref, encoder, headers, first=encoder.begin())


def _thread(asked: Asked, chat: str) -> ThreadRef:
    return ThreadRef(asked.tenant, thread_id_of(chat))


async def _active(asked: Asked, agent: Agent, chat: str, *, messages: bool = False) -> Run | None:
    """Return the run of this agent that has a chat's turn, if one has."""
    try:
        thread = await asked.deps.threads.read(_thread(asked, chat))
    except UnknownThread:
        return None
    if thread.run_id is None:
        return None
    ref = RunRef(asked.tenant, thread.run_id)
    if ref.agent != agent.name:
        return None
    try:
        run = await asked.deps.reader.read(ref, messages=messages)
    except UnknownRun:
        return None
    return None if run.ended else run
