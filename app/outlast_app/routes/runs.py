"""Read, list, watch, cancel and resume runs."""

from fastapi import APIRouter, Request, Response

from outlast.errors import (
    AdminUnavailable,
    InvalidRequest,
    KeyLimit,
    RunEnded,
    RunNotEnded,
    RunNotPaused,
    UnknownRun,
)
from outlast.protocol import Run, RunPage
from outlast_app import ndjson
from outlast_app.auth import KeyedRoute, KnownCaller, Tenant
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
)
from outlast_app.prefer import parse_prefer, wants
from outlast_app.routes.parameters import (
    AcceptEvents,
    CursorText,
    Filter,
    Limit,
    Prefer,
    RunPath,
    SeenEvent,
    WithChildren,
    WithEngine,
    WithMessages,
    callers_trace,
)
from outlast_app.routes.starting import APPLIED, RUN_PATH, answer_with
from outlast_app.runs.follow_joined import JoinedFollowing
from outlast_app.runs.views import without_content
from outlast_app.sse import EventStream

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

_RUN_PROBLEMS = problems(UnknownRun, InvalidRequest, *BEHIND)
_RESULT: Responses = {
    200: {
        "description": "The run, which has ended.",
        "headers": headers(Location=RUN_PATH, Preference_Applied=APPLIED),
    },
    **accepted(Location=RUN_PATH, Preference_Applied=APPLIED),
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
    return answer_with(await read(ref, messages=messages), {}, status=200)


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
    return answer_with(run, headers)


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
        **accepted(Location=RUN_PATH),
        **problems(UnknownRun, RunEnded, InvalidRequest, *BEHIND),
    },
)
async def cancel_run(ref: RunPath, deps: Deps, caller: KnownCaller, request: Request) -> Response:
    """Cancel the run, wherever it is."""
    run = _shown(await deps.runs.cancel(ref, callers_trace(request)), caller)
    return answer_with(run, {"Location": f"/runs/{ref.run_id}"}, status=202)


@router.post(
    "/runs/{run_id}/resume",
    response_model=Run,
    status_code=202,
    responses={
        **accepted(Location=RUN_PATH),
        **problems(UnknownRun, RunNotPaused, AdminUnavailable, InvalidRequest, *BEHIND),
    },
)
async def resume_run(ref: RunPath, deps: Deps, caller: KnownCaller) -> Response:
    """Let a paused run try again."""
    run = _shown(await deps.runs.resume(ref), caller)
    return answer_with(run, {"Location": f"/runs/{ref.run_id}"}, status=202)


def _shown(run: Run, caller: Caller) -> Run:
    return run if "read" in caller.rights else without_content(run)
