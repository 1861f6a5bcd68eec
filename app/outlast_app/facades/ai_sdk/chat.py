"""`/ai-sdk/{agent}`: the addresses that `useChat` finds by `api` alone, and what ends a chat's run.

A chat is a thread. Its messages are compared with what the thread has; what goes on with a run that
waits for the client is told from the parts of its last answer.
"""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from outlast.agent import Agent
from outlast.errors import InvalidRequest, RunEnded, UnknownRun, UnknownThread
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Overrides, Run
from outlast_app.bodies import read_open_body
from outlast_app.facades.ai_sdk.chunks import UiEncoder
from outlast_app.facades.ai_sdk.history import Continuation, compare
from outlast_app.facades.ai_sdk.keys import AiSdkRoute
from outlast_app.facades.ai_sdk.messages import UiMessage, UiPart, UiRequest, input_of, result_of
from outlast_app.facades.ai_sdk.seeding import ui_messages
from outlast_app.facades.answering import Answer, Output, Verdict, continue_run
from outlast_app.facades.ids import Named, read_name, thread_id_of
from outlast_app.facades.reader import committed
from outlast_app.facades.requests import Asked, Asking, name_run
from outlast_app.facades.segments import RunLog
from outlast_app.facades.starting import Start, start
from outlast_app.facades.streams import RunStream

router = APIRouter(tags=["chats"], route_class=AiSdkRoute)

PROTOCOL = "ai-sdk"
_SEED = 1000  # messages of a chat that a page is loaded with: the newest
STREAM_HEADER = {"x-vercel-ai-ui-message-stream": "v1"}


class _Part(NamedTuple):
    """A run, and which of its segments a stream tells."""

    run: Run
    first: int
    last: int


@router.post("/{agent}")
async def send(agent: str, request: Request, asked: Asking) -> Response:
    """Take what the user says, decides, or has run in the page; stream the answer."""
    body = await read_open_body(request, UiRequest)
    found = asked.agent(agent)
    part = await _go_on(asked, found, body) or await _begin(asked, found, body)
    return _stream(request, asked, part)


@router.get("/{agent}/{chat}/stream")
async def resume(agent: str, chat: str, request: Request, asked: Asking) -> Response:
    """Tell the run that goes on in a chat from its beginning, then live; 204 if there is none."""
    run = await _active(asked, asked.agent(agent), chat)
    if run is None:
        return Response(status_code=204)
    return _stream(request, asked, _Part(run, 1, _latest(run)))


@router.post("/{agent}/{chat}/stop")
async def stop(agent: str, chat: str, request: Request, asked: Asking) -> Response:
    """Cancel the run that goes on in a chat: 204, also if there is none."""
    run = await _active(asked, asked.agent(agent), chat)
    if run is None:
        return Response(status_code=204)
    ref = RunRef(asked.tenant, run.run_id)
    with suppress(RunEnded):
        await asked.deps.runs.cancel(ref, asked.trace)
    return Response(status_code=204, headers=name_run(request, ref))


@router.get("/{agent}/{chat}/messages")
async def messages(agent: str, chat: str, asked: Asking) -> list[dict[str, Any]]:
    """Return the chat as `useChat` takes it for its first messages; none if it is new."""
    found = asked.agent(agent)
    thread = _thread(asked, chat)
    try:
        newest = await asked.deps.threads.read_newest(thread, None, _SEED)
    except UnknownThread:
        return []
    said = [*newest.items[::-1]]
    run = await _active(asked, found, chat, messages=True)
    if run and run.messages:
        known = {(message.run_id, message.id) for message in said}
        mine = (message for message in run.messages if message.role == "user")
        said += [message for message in mine if (message.run_id, message.id) not in known]
    return ui_messages(found, said)


def _stream(request: Request, asked: Asked, part: _Part) -> Response:
    ref = RunRef(asked.tenant, part.run.run_id)
    encoder = UiEncoder(ref.run_id, part.first, part.last)
    headers = {**name_run(request, ref), **STREAM_HEADER}
    return RunStream(asked, ref, encoder, headers, first=encoder.begin())


def _latest(run: Run) -> int:
    """Return the segment that a run is in: one that waits has not begun the next one."""
    return max(1, run.segment - (run.status == "waiting"))


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
    run = await asked.deps.reader.read(ref, messages=messages)
    return None if run.ended or ref.agent != agent.name else run


async def _begin(asked: Asked, agent: Agent, body: UiRequest) -> _Part:
    thread = _thread(asked, body.id)
    found = await compare(asked, thread, body)
    if not found.messages or found.messages[-1].role != "user":
        raise InvalidRequest.at(("body.messages", "the last message has to be a user's"))
    run = await start(
        asked,
        Start(
            agent=agent,
            messages=found.messages,
            protocol=PROTOCOL,
            overrides=Overrides(instructions=body.instructions()),
            thread_id=thread.thread_id,
            history=found.history,
            context=body.context or {},
            metadata=body.metadata or {},
            key=asked.idempotency_key or _key(body, found),
        ),
    )
    return _Part(run, 1, _latest(run))


def _key(body: UiRequest, found: Continuation) -> str:
    """Name a request by what it says and after what: said twice at once it is one run."""
    said = [message.model_dump(exclude_none=True) for message in found.messages]
    parts = [body.id, body.trigger, found.history, found.after, said]
    return f"{PROTOCOL} {sha256(to_json(parts)).hexdigest()}"


async def _go_on(asked: Asked, agent: Agent, body: UiRequest) -> _Part | None:
    """Give what the client's last answer was completed with to its run, if that waits for it."""
    answer, said = _last_answer(body.conversation())
    named = answer and read_name(asked.tenant, answer.id, "msg", count=0)
    if answer is None or named is None or named.ref.agent != agent.name:
        return None
    if body.trigger == "regenerate-message":
        return None
    answers = [*_answers(asked, answer)]
    try:
        run = await asked.deps.reader.read(named.ref, messages=False)
    except UnknownRun:
        return None
    still_open = _open_of(run)
    mine = [each for each in answers if _id_of(each) in still_open]
    if mine:
        segment = await _segment_after(asked, named, mine)
        await continue_run(asked, named.ref, mine, [input_of(message) for message in said])
        return _Part(run, segment, segment)
    if said and still_open:
        raise InvalidRequest.at(
            ("body.messages", f"the run waits for {', '.join(sorted(still_open))}: answer that")
        )
    if said or not answers:
        return None
    # The same once more, as after a connection that broke: it is told what came of it.
    await continue_run(asked, named.ref, [each for each in answers if isinstance(each, Verdict)])
    segment = await _segment_after(asked, named, answers)
    return _Part(run, segment, max(segment, _latest(run)))


def _last_answer(said: Sequence[UiMessage]) -> tuple[UiMessage | None, Sequence[UiMessage]]:
    """Return the last answer in the list, and what the user has said after it."""
    for index in range(len(said) - 1, -1, -1):
        if said[index].role == "assistant":
            return said[index], said[index + 1 :]
    return None, said


def _answers(asked: Asked, message: UiMessage) -> Sequence[Answer]:
    found: list[Answer] = []
    for part in message.parts:
        if part.is_answered:
            name = _call(asked, part, part.tool_call_id)
            found.append(Output(name.call_id, result_of(part), part.state == "output-error"))
        elif part.is_decided and part.approval:
            name = _call(asked, part, part.approval.id)
            if part.approval.approved is None:
                wrong = f"the approval {part.approval.id} says neither true nor false"
                raise InvalidRequest.at(("body.messages", wrong))
            reason = part.approval.reason or None
            found.append(Verdict(name.call_id, part.approval.approved, reason))
    return found


def _call(asked: Asked, part: UiPart, given: str | None) -> Named:
    name = read_name(asked.tenant, given or "", "call", count=2)
    if name is None:
        wrong = f"the {part.name} part names no call of a run: {given!r}"
        raise InvalidRequest.at(("body.messages", wrong))
    return name


def _id_of(answer: Answer) -> str:
    return answer.call_id if isinstance(answer, Output) else answer.approval_id


def _open_of(run: Run) -> set[str]:
    """Return what the run waits for and this protocol's clients can give."""
    if run.ended:
        return set()
    calls = {call.call_id for call in run.calls if call.answer is None}
    asked = {a.id for a in run.approvals if a.reason == "approval" and a.resolution is None}
    return calls | asked


async def _segment_after(asked: Asked, named: Named, answers: Sequence[Answer]) -> int:
    """Return the segment that answers begin: after the last wait that asked for any of them."""
    wanted = {_id_of(answer) for answer in answers}
    log, found = RunLog(takes_approvals=True), 1
    for event in await committed(await asked.deps.events.so_far(named.ref, 0)):
        log.take(event)
        if log.is_over and log.waiting and log.asked & wanted:
            found = log.waiting.segment + 1
    return found
