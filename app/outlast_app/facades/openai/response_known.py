"""Responses that are there, each found by its id."""

import re
from typing import Any, NamedTuple

from pydantic import JsonValue

from outlast.errors import UnknownRun
from outlast.events import ReadEvent
from outlast.names import THREAD_ID, RunRef, ThreadRef
from outlast.protocol import Run
from outlast_app.facades.ids import read_name
from outlast_app.facades.items import Committed
from outlast_app.facades.openai.errors import Refused
from outlast_app.facades.openai.response_encoder import ResponseEncoder
from outlast_app.facades.openai.response_object import Facts
from outlast_app.facades.reader import committed, with_called
from outlast_app.facades.requests import Asked
from outlast_app.facades.segments import RunLog

_CONVERSATION = "conv_"


class KnownResponse(NamedTuple):
    """A response, with the run that it is a segment of."""

    ref: RunRef
    segment: int
    run: Run
    events: list[ReadEvent]


async def find_response(asked: Asked, response_id: str) -> KnownResponse:
    """Return a response.

    Raises:
        Refused: There is none, or it was not to be kept.
    """
    named = read_name(asked.tenant, response_id, "resp", count=1)
    unknown = Refused("not_found", f"There is no response {response_id!r}.", status=404)
    if named is None:
        raise unknown
    try:
        run = await asked.deps.reader.read(named.ref)
        events = await events_of(asked, named.ref)
    except UnknownRun:
        raise unknown from None
    log = RunLog(takes_approvals=True)
    for event in events:
        log.take(event)
    segment = named.numbers[0]
    # What answers have begun has no event before the worker has them.
    may_come = log.is_over and log.waiting is not None and segment == log.waiting.segment + 1
    is_hidden = bool(run.origin and _echo_of(run).get("store") is False)
    if is_hidden or not (segment in log.segments or may_come):
        raise unknown
    return KnownResponse(named.ref, segment, run, events)


async def events_of(asked: Asked, ref: RunRef) -> list[ReadEvent]:
    """Return what a run has committed so far."""
    return await committed(await asked.deps.events.so_far(ref, 0))


async def items_of(asked: Asked, known: KnownResponse) -> list[Committed]:
    """Return what the run of a response has committed, with what runs below it ask people.

    Raises:
        OperatorProblem: Nobody can tell now.
    """
    return await with_called(known.events, asked.called_runs(insists=False))


async def told(asked: Asked, known: KnownResponse, facts: Facts) -> dict[str, Any]:
    """Return a response as its run's events tell it.

    Raises:
        OperatorProblem: Nobody can tell now what runs below ask people.
    """
    encoder = ResponseEncoder(facts)
    for item in await items_of(asked, known):
        for _ in encoder.take(item):
            pass
    return encoder.response()


def facts_of(run: Run, segment: int) -> Facts:
    """Return what is known of a response beside events."""
    asked = run.origin.request if run.origin else {}
    before, conversation = asked.get("before"), asked.get("conversation")
    return Facts(
        run_id=run.run_id,
        segment=segment,
        created_s=int(run.created_at.timestamp()) if run.created_at else 0,
        echo=_echo_of(run),
        metadata=run.metadata,
        before=before if isinstance(before, str) else None,
        conversation=conversation if isinstance(conversation, str) else None,
    )


def _echo_of(run: Run) -> dict[str, JsonValue]:
    echo = run.origin.request.get("echo") if run.origin else None
    return echo if isinstance(echo, dict) else {}


def thread_of(asked: Asked, conversation: str) -> ThreadRef:
    """Return the thread that a conversation is.

    Raises:
        Refused: It is none.
    """
    thread_id = conversation.removeprefix(_CONVERSATION)
    if thread_id == conversation or not re.fullmatch(THREAD_ID, thread_id):
        raise Refused(
            "not_found", f"There is no conversation {conversation!r}", "conversation", status=404
        )
    return ThreadRef(asked.tenant, thread_id)
