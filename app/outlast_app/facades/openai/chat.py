"""`/v1/chat/completions`: one request, one segment of a run, however long its history is."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from outlast.agent import Agent
from outlast.errors import (
    AlreadyAnswered,
    RunEnded,
    UnknownCall,
    UnknownRun,
)
from outlast.names import RunRef
from outlast.protocol import InputMessage, Run
from outlast_app.auth import check_right
from outlast_app.bodies import read_open_body
from outlast_app.facades.answering import Output, continue_run
from outlast_app.facades.ids import read_name
from outlast_app.facades.openai.chat_encoder import ChatEncoder, ChatName
from outlast_app.facades.openai.chat_requests import ChatRequest
from outlast_app.facades.openai.errors import Refused, renaming
from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.facades.reader import committed
from outlast_app.facades.requests import Asked, Asking, name_run
from outlast_app.facades.segments import RunLog, segment_after
from outlast_app.facades.starting import Start, start
from outlast_app.facades.streams import Patience, RunStream, read_whole

router = APIRouter(tags=["chat completions"], route_class=OpenAiRoute)

_NAMES = {"client_tools": "tools", "input": "messages", "output_schema": "response_format"}


class _Begun(NamedTuple):
    """A segment that has begun, or goes on."""

    ref: RunRef
    segment: int
    run: Run


@router.post("/chat/completions")
async def complete(request: Request, asked: Asking) -> Response:
    """Answer a conversation: by a new run, or by one that waits for the results at its end."""
    body = await read_open_body(request, ChatRequest)
    agent = asked.agent(body.model)
    if body.stream:
        asked.hold_stream()
    with renaming(_NAMES):
        begun = await _begin(asked, agent, body)
    headers = name_run(request, begun.ref)
    created_at = begun.run.created_at
    encoder = ChatEncoder(
        ChatName(
            run_id=begun.ref.run_id,
            segment=begun.segment,
            model=body.model,
            created_s=int(created_at.timestamp()) if created_at else 0,
        ),
        wants_usage=body.wants_usage,
        whole=agent.output is not None or body.response_format is not None,
    )
    wait_s = asked.deps.settings.protocol_wait_s
    if body.stream:
        patience = Patience(wait_s, lambda: encoder.waits_for_others)
        return RunStream(
            asked, begun.ref, encoder, headers, first=encoder.begin(), patience=patience
        )
    if not await read_whole(asked, begun.ref, encoder, wait_s):
        for _ in encoder.end():
            pass
    if failure := encoder.failure:
        raise Refused.of(failure.fault, failure.message, begun.ref.run_id)
    return Response(to_json(encoder.completion()), headers=headers, media_type="application/json")


async def _begin(asked: Asked, agent: Agent, body: ChatRequest) -> _Begun:
    history = await asked.beside_loop(body.history)
    overrides = body.overrides()
    if (results := body.answers()) and (begun := await _go_on(asked, agent, history, results)):
        return begun
    run = await start(
        asked,
        Start(
            agent=agent,
            messages=history,
            protocol="openai",
            request={
                "api": "chat",
                "messages": len(history),
                "digest": await asked.beside_loop(_digest, history),
            },
            overrides=overrides,
            metadata=body.metadata or {},
            stream=body.stream,
        ),
    )
    return _Begun(RunRef(asked.tenant, run.run_id), 1, run)


async def _go_on(
    asked: Asked, agent: Agent, history: Sequence[InputMessage], results: Mapping[str, Any]
) -> _Begun | None:
    """Give results to the run that waits for exactly these; None if there is none, or no longer.

    Then they are history like any other, and begin a run.
    """
    names = {each: read_name(asked.tenant, each, "call", count=2) for each in results}
    refs = {name and name.ref for name in names.values()}
    ref = refs.pop()
    if ref is None or refs or ref.agent != agent.name:
        return None
    check_right(asked.caller, "read")
    by_call = {name.call_id: results[each] for each, name in names.items() if name}
    try:
        events = await committed(await asked.deps.events.so_far(ref, 0))
        segment = segment_after(events, RunLog(takes_approvals=False), by_call, exactly=True)
        run = await asked.deps.reader.read(ref)
        if segment is None or await asked.beside_loop(_is_edited, run, history):
            return None
        answers = [Output(call_id, output) for call_id, output in by_call.items()]
        await continue_run(asked, ref, answers)
    except (AlreadyAnswered, RunEnded, UnknownCall, UnknownRun):
        return None
    return _Begun(ref, segment, run)


def _is_edited(run: Run, history: Sequence[InputMessage]) -> bool:
    """Tell whether the history is not the one with which the run began."""
    asked = run.origin.request if run.origin else {}
    count, digest = asked.get("messages"), asked.get("digest")
    return isinstance(count, int) and _digest(history[:count]) != digest


def _digest(history: Sequence[InputMessage]) -> str:
    said = [message.model_dump(exclude_none=True) for message in history]
    return sha256(to_json(said)).hexdigest()[:32]
