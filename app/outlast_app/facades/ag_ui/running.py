"""`/ag-ui/{agent}`: the one address of an `HttpAgent`, and what the protocol leaves open."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response

from outlast.agent import Agent
from outlast.errors import InvalidRequest, RunEnded, UnknownRun, UnknownThread
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Run
from outlast_app.facades.ag_ui.answers import go_on
from outlast_app.facades.ag_ui.body import read_input
from outlast_app.facades.ag_ui.capabilities import capabilities_of
from outlast_app.facades.ag_ui.events import AgUiEncoder, AgUiRun
from outlast_app.facades.ag_ui.keys import AgUiRoute
from outlast_app.facades.ag_ui.messages import rename
from outlast_app.facades.ag_ui.seeding import shown_messages
from outlast_app.facades.ag_ui.sending import begin
from outlast_app.facades.ag_ui.sent import Sent
from outlast_app.facades.ag_ui.shown import ClientMessages
from outlast_app.facades.ag_ui.told import Told
from outlast_app.facades.conversations import read_back, with_open
from outlast_app.facades.ids import thread_id_of
from outlast_app.facades.requests import Asked, Asking, name_run
from outlast_app.facades.streams import RunStream

router = APIRouter(tags=["threads"], route_class=AgUiRoute)

_SEED = 1000  # messages of a thread that a page is loaded with: the newest
_NAMES = {
    "body.input": "body.messages",
    "body.instructions": "body.messages",
    "body.client_tools": "body.tools",
    "body.metadata": "body.forwardedProps.metadata",
    "body.context": "body.forwardedProps.context",
    "body.origin": "body.runId",
    "body.arguments": "body.resume.payload.editedArgs",
    "body.output": "body.messages",
}
"""What clients call the fields of a native start, a decision and a result."""


@router.post("/{agent}")
async def run(agent: str, request: Request, asked: Asking) -> Response:
    """Take what the user says, decides, or has run in the page; stream the answer."""
    body = await read_input(request)
    sent = Sent(asked, asked.agent(agent), body)
    asked.hold_stream()
    return _stream(request, sent, await _told(sent))


@router.get("/{agent}/capabilities")
async def capabilities(agent: str, asked: Asking) -> dict[str, Any]:
    """Say what an agent can do, in the protocol's words."""
    described = asked.deps.registry.describe(asked.agent(agent))
    may_inspect = "inspect" in asked.caller.rights
    return capabilities_of(described if may_inspect else described.without_definition())


@router.get("/{agent}/threads/{thread:path}/messages")
async def messages(agent: str, thread: str, asked: Asking) -> list[dict[str, Any]]:
    """Return a thread as a client takes it for its first messages; none if it is new."""
    active = await _active(asked, asked.agent(agent), thread, messages=True)
    try:
        said = await read_back(asked, _thread(asked, thread), at_most=_SEED)
    except UnknownThread:
        return []
    return shown_messages(with_open(said, active) if active else said)


@router.post("/{agent}/threads/{thread:path}/stop")
async def stop(agent: str, thread: str, request: Request, asked: Asking) -> Response:
    """Cancel the run that goes on in a thread: 204, also if there is none."""
    active = await _active(asked, asked.agent(agent), thread)
    if active is None:
        return Response(status_code=204)
    ref = RunRef(asked.tenant, active.run_id)
    with suppress(RunEnded):
        await asked.deps.runs.cancel(ref, asked.trace)
    return Response(status_code=204, headers=name_run(request, ref))


async def _told(sent: Sent) -> Told:
    try:
        holder = await sent.asked.deps.threads.holder(sent.thread)
    except UnknownThread:
        holder = None
    try:
        found = await go_on(sent, holder)
        return found if isinstance(found, Told) else await begin(sent, holder, found)
    except InvalidRequest as problem:
        rename(problem, _NAMES)
        raise


def _stream(request: Request, sent: Sent, told: Told) -> Response:
    body = sent.body
    shown = AgUiRun(
        body.thread_id,
        body.run_id,
        body.parent_run_id,
        told.warnings,
        told.comes_again,
        told.answered,
    )
    answered = () if told.sent else sent.answered
    has = ClientMessages(told.ref, told.sent or sent.dump, answered)
    encoder = AgUiEncoder(told.ref.run_id, shown, has, told.first, told.last)
    headers = name_run(request, told.ref)
    return RunStream(sent.asked, told.ref, encoder, headers, first=encoder.begin())


def _thread(asked: Asked, thread: str) -> ThreadRef:
    return ThreadRef(asked.tenant, thread_id_of(thread))


async def _active(asked: Asked, agent: Agent, thread: str, *, messages: bool = False) -> Run | None:
    """Return the run of this agent that has a thread's turn, if one has."""
    try:
        status = await asked.deps.threads.read(_thread(asked, thread))
    except UnknownThread:
        return None
    if status.run_id is None:
        return None
    ref = RunRef(asked.tenant, status.run_id)
    if ref.agent != agent.name:
        return None
    try:
        found = await asked.deps.reader.read(ref, messages=messages)
    except UnknownRun:
        return None
    return None if found.ended else found
