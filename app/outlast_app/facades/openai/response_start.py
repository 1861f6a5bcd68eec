"""How a request becomes a response: of a new run, or of one that waits for what it answers."""

from dataclasses import replace
from typing import NamedTuple

from pydantic import JsonValue
from pydantic_core import to_json

from outlast.errors import (
    AlreadyAnswered,
    AlreadyDecided,
    RunEnded,
    UnknownApproval,
    UnknownCall,
    UnknownRun,
)
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_app.auth import check_right
from outlast_app.facades.answering import Verdict, continue_run
from outlast_app.facades.ids import name_of, name_of_asked, name_of_call
from outlast_app.facades.openai.errors import Refused
from outlast_app.facades.openai.response_input import (
    Answers,
    answers_in,
    resolve,
    said_beside,
)
from outlast_app.facades.openai.response_known import (
    KnownResponse,
    events_of,
    find_response,
    thread_of,
)
from outlast_app.facades.openai.response_requests import (
    InputItem,
    ResponseRequest,
    instructions_in,
    read_history,
)
from outlast_app.facades.requests import Asked
from outlast_app.facades.segments import RunLog, segment_after, segment_of
from outlast_app.facades.starting import Start, start, start_after

_MAX_ECHO_BYTES = 24 * 1024


class Begun(NamedTuple):
    """A response that has begun, or goes on."""

    ref: RunRef
    segment: int
    run: Run


async def begin_response(asked: Asked, body: ResponseRequest, raw: dict[str, JsonValue]) -> Begun:
    """Begin a response, or find the one that the same answers have begun.

    Args:
        asked: The request.
        body: What it asks for.
        raw: The same as it came, to be shown again.
    """
    if body.previous_response_id:
        check_right(asked.caller, "read")  # the model could be asked for what was said
    items = await resolve(asked, body.items)
    before = (
        await find_response(asked, body.previous_response_id) if body.previous_response_id else None
    )
    answers, tail = answers_in(asked, items, must=before is not None)
    if answers and (begun := await _go_on(asked, answers, tail, before)):
        return begun
    return await _start(asked, body, raw, items, before)


async def _start(
    asked: Asked,
    body: ResponseRequest,
    raw: dict[str, JsonValue],
    items: list[tuple[int, InputItem]],
    before: KnownResponse | None,
) -> Begun:
    history = await asked.beside_loop(
        read_history, [item for _, item in items], [place for place, _ in items]
    )
    if not history or history[-1].role == "assistant":
        message = "input: the last item is a user's message, or the output of a function"
        raise Refused("invalid_request_error", message, "input")
    echo = body.echo(raw)
    if len(to_json(echo)) > _MAX_ECHO_BYTES:
        for name in ("tools", "instructions", "text"):  # what is large, and known to its sender
            echo.pop(name, None)
    wanted = Start(
        agent=asked.agent(body.model),
        messages=history,
        protocol="openai",
        request={
            "api": "responses",
            "echo": echo,
            "said": len(history),
            "before": body.previous_response_id,
            "conversation": body.conversation_id,
        },
        overrides=body.overrides(list(instructions_in([item for _, item in items]))),
        metadata=body.metadata or {},
        limits=body.limits(),
        stream=bool(body.stream or body.background),
    )
    if before:
        _check_last(before)
        run = await start_after(asked, wanted, before.ref)
    elif conversation := body.conversation_id:
        run = await _start_in(asked, wanted, conversation)
    else:
        run = await start(asked, wanted)
    run = run if run.origin else run.model_copy(update={"origin": wanted.body().origin})
    return Begun(RunRef(asked.tenant, run.run_id), 1, run)


async def _start_in(asked: Asked, wanted: Start, conversation: str) -> Run:
    thread = thread_of(asked, conversation)
    known = await asked.deps.threads.read(thread)
    if known.run_id:
        holder = RunRef(asked.tenant, known.run_id)
        log = RunLog(takes_approvals=True)
        for event in await events_of(asked, holder):
            log.take(event)
        if not (log.asked_below and await _has_gone_on(asked, holder, log)):
            _check_nothing_open(holder, log)
    return await start(asked, replace(wanted, thread_id=thread.thread_id))


async def _go_on(
    asked: Asked, answers: Answers, tail: list[tuple[int, InputItem]], before: KnownResponse | None
) -> Begun | None:
    """Give a run what it waits for; None if no run does, so that it is history."""
    check_right(asked.caller, "read")
    ref, by_id = answers
    if before and before.ref != ref:
        raise Refused("not_found", "input: previous_response_id asked for no such answer", "input")
    decides = any(isinstance(answer, Verdict) for answer in by_id.values())
    only_history = before is None and not decides
    try:
        events = before.events if before else await events_of(asked, ref)
        run = before.run if before else await asked.deps.reader.read(ref)
    except UnknownRun:
        if only_history:
            return None
        raise
    segment = segment_after(events, RunLog(takes_approvals=True), by_id)
    if segment is None:
        if only_history:
            return None
        raise Refused("not_found", "input: nobody asked for such an answer", "input", status=404)
    following = name_of("resp", ref.run_id, segment)
    try:
        await continue_run(asked, ref, list(by_id.values()), said_beside(tail))
    except (AlreadyAnswered, AlreadyDecided, RunEnded, UnknownApproval, UnknownCall) as problem:
        if only_history:
            return None
        problem.detail = f"{problem.detail} What came of it is the response {following}."
        raise
    return Begun(ref, segment, run)


def _check_last(before: KnownResponse) -> None:
    """Refuse to go on with a response of which answers are missing, or were given.

    Raises:
        Refused: With what to do.
    """
    log = RunLog(takes_approvals=True)
    for event in before.events:
        log.take(event)
    last = segment_of(before.run, log)
    if last != before.segment:
        following = name_of("resp", before.ref.run_id, last)
        raise Refused(
            "already_answered",
            f"previous_response_id: it was answered, and its run went on; {following} is the last "
            "response of that",
            "previous_response_id",
        )
    if last == log.segment:
        _check_nothing_open(before.ref, log)


async def _has_gone_on(asked: Asked, ref: RunRef, log: RunLog) -> bool:
    """Tell whether a run has gone on without a word, since one below it does."""
    run = await asked.deps.reader.read(ref, messages=False)
    return segment_of(run, log) != log.segment


def _check_nothing_open(ref: RunRef, log: RunLog) -> None:
    if not (log.is_over and log.waiting):
        return
    ids = [name_of_call("call", ref.run_id, call.call_id) for call in log.open_calls]
    if ids:
        message = f"No tool output found for function call {', '.join(ids)}."
    else:
        approvals = [name_of_asked("mcpr", ref.run_id, key) for key in log.decisions]
        message = f"No approval response found for {', '.join(approvals)}."
    raise Refused("missing_answers", message, "input", run_id=ref.run_id)
