"""Start a run: with an input, or from the middle of another one."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from fastapi import APIRouter, Request, Response

from outlast.contract import RunOrder
from outlast.errors import (
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    KeyLimit,
    Problem,
    RunEnded,
    RunNotEnded,
    ThreadBusy,
    ThreadFull,
    ThreadMoved,
    UnknownAgent,
    UnknownRun,
)
from outlast.names import RunRef
from outlast.protocol import ForkRun, Run, StartRun
from outlast_app.auth import KeyedRoute, KnownCaller, caller_of, check_right
from outlast_app.bodies import beside_loop, read_body
from outlast_app.deps import Dependencies, Deps
from outlast_app.openapi import BEHIND, Responses, accepted, headers, problems, takes
from outlast_app.prefer import parse_prefer, wants
from outlast_app.routes.parameters import (
    Accept,
    AgentName,
    ForkBody,
    IdempotencyKey,
    Prefer,
    RunPath,
    callers_trace,
    log_run,
)
from outlast_app.runs.orders import find_agent, make_order
from outlast_app.sse import MEDIA_TYPE, EventStream

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

APPLIED = "What of `Prefer` was applied."
RUN_PATH = "Where the run is read."
_START_PROBLEMS: tuple[type[Problem], ...] = (
    UnknownAgent,
    ThreadBusy,
    ThreadFull,
    ThreadMoved,
    RunEnded,
    BodyTooLarge,
    InvalidRequest,
    IdempotencyConflict,
    KeyLimit,
    *BEHIND,
)
_STARTED: Responses = {
    200: {
        "description": "The run, which has ended, or its events.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/StreamEvent"}}},
        "headers": headers(
            Location=RUN_PATH,
            Preference_Applied=APPLIED,
            Content_Location="Where a broken stream goes on.",
        ),
    },
    **accepted(Location=RUN_PATH, Preference_Applied=APPLIED),
    **problems(*_START_PROBLEMS),
}


@router.post(
    "/agents/{agent}/runs", response_model=Run, responses=_STARTED, openapi_extra=takes(StartRun)
)
async def start_run(
    agent: AgentName,
    request: Request,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
    accept: Accept = None,
) -> Response:
    """Start a run, and wait for its end unless asked not to."""
    # Not as parameters: FastAPI takes longer to resolve one than all of this takes.
    deps, caller = Dependencies.of(request), caller_of(request)
    body = await read_body(request, StartRun)
    if body.on_busy == "steer":  # answered with the run that takes the input, whosoever it is
        check_right(caller, "read")
    tenant = caller.tenant
    definition = find_agent(deps.registry, agent)
    asked = _Asked.of(deps, prefer, accept, body.after_s)
    order = await beside_loop(
        request,
        make_order,
        deps.registry,
        definition,
        body,
        tenant,
        idempotency_key,
        stream=asked.is_live,
        trace=callers_trace(request),
    )
    return await _start(request, deps, order, asked)


@router.post(
    "/runs/{run_id}/fork",
    response_model=Run,
    responses={**_STARTED, **problems(*_START_PROBLEMS, UnknownRun, RunNotEnded)},
    openapi_extra=takes(ForkRun),
)
async def fork_run(
    ref: RunPath,
    body: ForkBody,
    request: Request,
    deps: Deps,
    caller: KnownCaller,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
    accept: Accept = None,
) -> Response:
    """Start a run that goes on from what this one, which has ended, had said and done by a turn.

    What was recorded is reused: nothing before that runs again.
    """
    check_right(caller, "read")  # the model could be asked for what was said
    asked = _Asked.of(deps, prefer, accept)
    if known := await deps.forks.known(ref, body, idempotency_key):
        log_run(request, known.ref.run_id)
        run = await deps.starter.repeated(known.ref, known.body_hash, asked.wait_s)
        return _answer(deps, known.ref, run, asked)
    order = await deps.forks.order(
        ref, body, idempotency_key, stream=asked.is_live, trace=callers_trace(request)
    )
    return await _start(request, deps, order, asked)


class _Asked(NamedTuple):
    """How a run's start is to be answered."""

    streamed: bool
    wait_s: float
    applied: str | None

    @classmethod
    def of(
        cls, deps: Deps, prefer: list[str] | None, accept: list[str] | None, after_s: float = 0
    ) -> Self:
        """Read it from the headers; one that begins later than that is not waited for."""
        preference = parse_prefer(prefer, deps.settings.wait_timeout_s)
        streamed = wants(MEDIA_TYPE, accept)
        wait_s = 0 if streamed or after_s >= preference.wait_s else preference.wait_s
        return cls(streamed, wait_s, preference.applied)

    @property
    def is_live(self) -> bool:
        """Whether somebody may watch the run from its start on."""
        return self.streamed or not self.wait_s


async def _start(request: Request, deps: Deps, order: RunOrder, asked: _Asked) -> Response:
    """Start a run, and answer with it or its events."""
    log_run(request, order.run_id)
    run = await deps.starter.start(order, asked.wait_s)
    log_run(request, run.run_id)  # another one, if that took the input
    return _answer(deps, RunRef(order.tenant, run.run_id), run, asked)


def _answer(deps: Deps, ref: RunRef, run: Run, asked: _Asked) -> Response:
    """Answer with a run that was started, or its events."""
    headers = {"Location": f"/runs/{ref.run_id}"}
    if asked.streamed:
        headers["Content-Location"] = f"/runs/{ref.run_id}/events"
        following = deps.events.follow(ref)
        return EventStream(following, deps.closing, headers)
    if asked.applied:
        headers["Preference-Applied"] = asked.applied
    return answer_with(run, headers)


def answer_with(run: Run, headers: Mapping[str, str], status: int | None = None) -> Response:
    """Answer with a run: 200 if it has ended, 202 if it goes on, or with another status."""
    return Response(
        run.model_dump_json(),
        status_code=status or (200 if run.ended else 202),
        headers=dict(headers),
        media_type="application/json",
    )
