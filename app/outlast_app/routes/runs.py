"""Start, read, list, watch, cancel and resume runs."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from fastapi import APIRouter, Request, Response

from outlast.contract import RunOrder
from outlast.errors import (
    AdminUnavailable,
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    KeyLimit,
    Problem,
    RunEnded,
    RunNotEnded,
    RunNotPaused,
    ThreadBusy,
    ThreadFull,
    ThreadMoved,
    UnknownAgent,
    UnknownRun,
)
from outlast.names import RunRef
from outlast.protocol import ForkRun, Run, RunPage, StartRun
from outlast_app import ndjson
from outlast_app.auth import KeyedRoute, KnownCaller, Tenant, check_right
from outlast_app.bodies import beside_loop
from outlast_app.cursors import Cursor
from outlast_app.deps import Deps
from outlast_app.keyring import Caller
from outlast_app.openapi import (
    BEHIND,
    BY_METADATA,
    Responses,
    StreamEvent,
    accepted,
    headers,
    problems,
    takes,
)
from outlast_app.prefer import parse_prefer, wants
from outlast_app.routes.parameters import (
    Accept,
    AcceptEvents,
    AgentName,
    CursorText,
    Filter,
    ForkBody,
    IdempotencyKey,
    Limit,
    Prefer,
    RequestTrace,
    RunPath,
    SeenEvent,
    StartBody,
    WithChildren,
    WithEngine,
    WithMessages,
    log_run,
)
from outlast_app.runs.follow_joined import JoinedFollowing
from outlast_app.runs.orders import find_agent, make_order
from outlast_app.runs.views import without_content
from outlast_app.sse import MEDIA_TYPE, EventStream

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

_RUN_PROBLEMS = problems(UnknownRun, InvalidRequest, *BEHIND)
_APPLIED = "What of `Prefer` was applied."
_RUN_PATH = "Where the run is read."
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
            Location=_RUN_PATH,
            Preference_Applied=_APPLIED,
            Content_Location="Where a broken stream goes on.",
        ),
    },
    **accepted(Location=_RUN_PATH, Preference_Applied=_APPLIED),
    **problems(*_START_PROBLEMS),
}
_RESULT: Responses = {
    200: {
        "description": "The run, which has ended.",
        "headers": headers(Location=_RUN_PATH, Preference_Applied=_APPLIED),
    },
    **accepted(Location=_RUN_PATH, Preference_Applied=_APPLIED),
    **_RUN_PROBLEMS,
}
_EVENTS: Responses = {
    200: {
        "model": StreamEvent,
        "description": "The run's events: to its end, or as lines of JSON those so far.",
        "content": {ndjson.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/StreamEvent"}}},
    },
    204: {"description": "The run has ended, and there is nothing after that event."},
    **problems(UnknownRun, InvalidRequest, KeyLimit, *BEHIND),
}


@router.post(
    "/agents/{agent}/runs", response_model=Run, responses=_STARTED, openapi_extra=takes(StartRun)
)
async def start_run(
    agent: AgentName,
    body: StartBody,
    request: Request,
    deps: Deps,
    caller: KnownCaller,
    trace: RequestTrace,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
    accept: Accept = None,
) -> Response:
    """Start a run, and wait for its end unless asked not to."""
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
        trace=trace,
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
    trace: RequestTrace,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
    accept: Accept = None,
) -> Response:
    """Start a run that goes on from what this one, which has ended, had said and done by a turn.

    What was recorded is reused: nothing before that runs again.
    """
    check_right(caller, "read")  # the model could be asked for what was said
    asked = _Asked.of(deps, prefer, accept)
    order = await deps.forks.order(ref, body, idempotency_key, stream=asked.is_live, trace=trace)
    return await _start(request, deps, order, asked)


@router.get(
    "/runs",
    response_description="A page of them.",
    responses=problems(InvalidRequest, AdminUnavailable),
    openapi_extra=BY_METADATA,
)
async def list_runs(
    deps: Deps, tenant: Tenant, wanted: Filter, limit: Limit = 20, cursor: CursorText = None
) -> RunPage:
    """List the runs, newest first."""
    return await deps.listings.runs(tenant, wanted, limit, Cursor.read(cursor, "runs"))


@router.get(
    "/runs/{run_id}",
    response_model=Run,
    response_description="The run.",
    responses=_RUN_PROBLEMS,
)
async def get_run(
    ref: RunPath, deps: Deps, *, messages: WithMessages = True, engine: WithEngine = False
) -> Response:
    """Return the run as it is now."""
    read = deps.reader.read_with_engine if engine else deps.reader.read
    return _answer(await read(ref, messages=messages), {}, status=200)


@router.delete(
    "/runs/{run_id}",
    status_code=204,
    response_description="It is forgotten.",
    responses=problems(UnknownRun, RunNotEnded, AdminUnavailable, InvalidRequest, *BEHIND),
)
async def delete_run(ref: RunPath, deps: Deps) -> Response:
    """Forget a run that has ended: what was asked, said and done, its events, its usage.

    So are the runs that it has called, and those that they have called. What it said on a thread
    stays there: that is the thread's. A start that is repeated with its `Idempotency-Key` is a new
    run then.
    """
    await deps.deletion.run(ref)
    return Response(status_code=204)


@router.get("/runs/{run_id}/result", response_model=Run, responses=_RESULT)
async def get_result(ref: RunPath, deps: Deps, prefer: Prefer = None) -> Response:
    """Wait for the run's end, as a plain start does."""
    preference = parse_prefer(prefer, deps.settings.wait_timeout_s)
    run = await deps.reader.read(ref)
    if not run.ended:
        run = await deps.starter.await_end(ref, run, preference.wait_s)
    headers = {"Location": f"/runs/{ref.run_id}"}
    if preference.applied:
        headers["Preference-Applied"] = preference.applied
    return _answer(run, headers)


@router.get("/runs/{run_id}/events", response_class=EventStream, responses=_EVENTS)
async def get_events(
    ref: RunPath,
    deps: Deps,
    seen: SeenEvent,
    accept: AcceptEvents = None,
    *,
    children: WithChildren = False,
) -> Response:
    """Stream the run's committed events as server-sent events, from any of them on.

    Or, as lines of JSON, those that are there now. With `children=true` the stream has the events
    of the runs below it, too; then the `id` of an event is no number.
    """
    as_lines = wants(ndjson.MEDIA_TYPE, accept)
    if children and as_lines:
        what = "events of called runs are streamed only; read each run's own for lines of JSON"
        raise InvalidRequest.at(("query.children", what))
    if as_lines:
        return ndjson.EventLines(await deps.events.so_far(ref, seen.seq))
    if children:
        following = await JoinedFollowing.open(deps.events, ref, seen.position)
    else:
        following = await deps.events.open(ref, seen.seq)
    return EventStream(following, deps.closing) if following else Response(status_code=204)


@router.post(
    "/runs/{run_id}/cancel",
    response_model=Run,
    status_code=202,
    responses={
        **accepted(Location=_RUN_PATH),
        **problems(UnknownRun, RunEnded, InvalidRequest, *BEHIND),
    },
)
async def cancel_run(
    ref: RunPath, deps: Deps, caller: KnownCaller, trace: RequestTrace
) -> Response:
    """Cancel the run, wherever it is."""
    run = _shown(await deps.runs.cancel(ref, trace), caller)
    return _answer(run, {"Location": f"/runs/{ref.run_id}"}, status=202)


@router.post(
    "/runs/{run_id}/resume",
    response_model=Run,
    status_code=202,
    responses={
        **accepted(Location=_RUN_PATH),
        **problems(UnknownRun, RunNotPaused, AdminUnavailable, InvalidRequest, *BEHIND),
    },
)
async def resume_run(ref: RunPath, deps: Deps, caller: KnownCaller) -> Response:
    """Let a paused run try again."""
    run = _shown(await deps.runs.resume(ref), caller)
    return _answer(run, {"Location": f"/runs/{ref.run_id}"}, status=202)


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
    headers = {"Location": f"/runs/{run.run_id}"}
    if asked.streamed:
        headers["Content-Location"] = f"/runs/{run.run_id}/events"
        following = deps.events.follow(RunRef(order.tenant, run.run_id))
        return EventStream(following, deps.closing, headers)
    if asked.applied:
        headers["Preference-Applied"] = asked.applied
    return _answer(run, headers)


def _shown(run: Run, caller: Caller) -> Run:
    return run if "read" in caller.rights else without_content(run)


def _answer(run: Run, headers: Mapping[str, str], status: int | None = None) -> Response:
    return Response(
        run.model_dump_json(),
        status_code=status or (200 if run.ended else 202),
        headers=dict(headers),
        media_type="application/json",
    )
