"""Start, read, list, watch, cancel and resume runs."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from outlast.errors import (
    AdminUnavailable,
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    RunEnded,
    RunNotPaused,
    ThreadBusy,
    UnknownAgent,
    UnknownRun,
)
from outlast.names import AGENT_NAME
from outlast.protocol import Run, RunPage, RunStatus, StartRun, ThreadId
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.cursors import Cursor, CursorText, Limit
from outlast_app.deps import AppParts
from outlast_app.openapi import BEHIND, Responses, StreamEvent, accepted, headers, problems
from outlast_app.prefer import parse_prefer, wants
from outlast_app.runs.listings import RunFilter
from outlast_app.runs.reader import make_order
from outlast_app.runs.start import await_end, start
from outlast_app.sse import HEADERS, MEDIA_TYPE, EventStream, follow, sse

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

RunId = Annotated[str, Path(max_length=128)]
Prefer = Annotated[
    list[str] | None, Header(description="`respond-async`, or `wait=N` with seconds.")
]
Accept = Annotated[
    list[str] | None, Header(description="`text/event-stream` for the run's events.")
]
_IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=256, description="The same key always means the same run."),
]
# A name that no agent has now may have runs: those of an agent that was removed.
AgentName = Annotated[str | None, Query(pattern=f"^{AGENT_NAME}$")]
_RUN_PROBLEMS = problems(UnknownRun, InvalidRequest, *BEHIND)
_APPLIED = "What of `Prefer` was applied."
_RUN_PATH = "Where the run is read."
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
    **problems(
        UnknownAgent,
        ThreadBusy,
        RunEnded,
        BodyTooLarge,
        InvalidRequest,
        IdempotencyConflict,
        *BEHIND,
    ),
}
_RESULT: Responses = {
    200: {"headers": headers(Location=_RUN_PATH, Preference_Applied=_APPLIED)},
    **accepted(Location=_RUN_PATH, Preference_Applied=_APPLIED),
    **_RUN_PROBLEMS,
}
_EVENTS: Responses = {
    200: {"model": StreamEvent, "description": "The run's events, to its end."},
    204: {"description": "The run has ended, and there is nothing after that event."},
    **_RUN_PROBLEMS,
}


@router.post("/agents/{agent}/runs", response_model=Run, responses=_STARTED)
async def start_run(
    agent: str,
    body: StartRun,
    request: Request,
    tenant: Tenant,
    prefer: Prefer = None,
    idempotency_key: _IdempotencyKey = None,
    accept: Accept = None,
) -> Response:
    """Start a run, and wait for its end unless asked not to."""
    parts = AppParts.of(request)
    definition = parts.registry.get(agent)
    if definition is None:
        names = ", ".join(parts.registry.names())
        raise UnknownAgent(f"There is no agent {agent!r}. The agents are: {names}.")
    preference = parse_prefer(prefer, parts.settings.wait_timeout_s)
    streamed = wants(MEDIA_TYPE, accept)
    wait_s = 0 if streamed or body.after_s >= preference.wait_s else preference.wait_s
    order = make_order(definition, body, tenant, idempotency_key, stream=streamed or not wait_s)
    run = await start(parts, order, wait_s, _trace(request))
    headers = {"Location": f"/runs/{run.run_id}"}
    if streamed:
        headers["Content-Location"] = f"/runs/{run.run_id}/events"
        return _stream(parts, tenant, run.run_id, 0, headers)
    if preference.applied:
        headers["Preference-Applied"] = preference.applied
    return _answer(run, headers)


@router.get("/runs", responses=problems(InvalidRequest, AdminUnavailable))
async def list_runs(
    request: Request,
    tenant: Tenant,
    agent: AgentName = None,
    thread_id: ThreadId | None = None,
    status: RunStatus | None = None,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> RunPage:
    """List the runs, newest first."""
    after = Cursor.read(cursor, "runs")
    wanted = RunFilter(agent=agent, thread_id=thread_id, status=status)
    return await AppParts.of(request).listings.runs(tenant, wanted, limit, after)


@router.get("/runs/{run_id}", response_model=Run, responses=_RUN_PROBLEMS)
async def get_run(run_id: RunId, request: Request, tenant: Tenant) -> Response:
    """Return the run as it is now."""
    run = await AppParts.of(request).reader.read(tenant, run_id)
    return _answer(run, {}, status=200)


@router.get("/runs/{run_id}/result", response_model=Run, responses=_RESULT)
async def get_result(
    run_id: RunId, request: Request, tenant: Tenant, prefer: Prefer = None
) -> Response:
    """Wait for the run's end, as a plain start does."""
    parts = AppParts.of(request)
    preference = parse_prefer(prefer, parts.settings.wait_timeout_s)
    run = await parts.reader.read(tenant, run_id)
    if not run.ended:
        run = await await_end(parts, tenant, run, preference.wait_s)
    headers = {"Location": f"/runs/{run_id}"}
    if preference.applied:
        headers["Preference-Applied"] = preference.applied
    return _answer(run, headers)


@router.get("/runs/{run_id}/events", response_class=EventStream, responses=_EVENTS)
async def get_events(
    run_id: RunId,
    request: Request,
    tenant: Tenant,
    after: Annotated[int | None, Query(ge=0)] = None,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """Stream the run's committed events as server-sent events, from any of them on."""
    parts = AppParts.of(request)
    run = await parts.reader.read(tenant, run_id, messages=False)
    seen = last_event_id if last_event_id is not None else after or 0
    if run.ended and not await _has_more(parts, tenant, run, seen):
        return Response(status_code=204)
    return _stream(parts, tenant, run_id, seen, {})


@router.post(
    "/runs/{run_id}/cancel",
    response_model=Run,
    status_code=202,
    responses={
        **accepted(Location=_RUN_PATH),
        **problems(UnknownRun, RunEnded, InvalidRequest, *BEHIND),
    },
)
async def cancel_run(run_id: RunId, request: Request, tenant: Tenant) -> Response:
    """Cancel the run, wherever it is."""
    parts = AppParts.of(request)
    run = await parts.reader.read(tenant, run_id)
    if run.ended and run.status != "cancelled":
        raise RunEnded(f"The run {run_id} has ended as {run.status}; nothing is left to cancel.")
    if not run.ended:
        await parts.ingress.cancel(tenant, run_id)
    if run.status == "paused":
        # It is resumed by a cancellation, but not by one that came before it was paused.
        with suppress(AdminUnavailable, RunNotPaused):
            await parts.admin.resume(tenant, run_id)
    return _answer(run, {"Location": f"/runs/{run_id}"}, status=202)


@router.post(
    "/runs/{run_id}/resume",
    response_model=Run,
    status_code=202,
    responses={
        **accepted(Location=_RUN_PATH),
        **problems(UnknownRun, RunNotPaused, AdminUnavailable, InvalidRequest, *BEHIND),
    },
)
async def resume_run(run_id: RunId, request: Request, tenant: Tenant) -> Response:
    """Let a paused run try again."""
    parts = AppParts.of(request)
    run = await parts.reader.read(tenant, run_id, messages=False)
    state = None if run.ended else await parts.admin.engine_state(tenant, run_id)
    if state is None or not state.paused:
        raise RunNotPaused(f"The run {run_id} is {run.status}; only a paused run can be resumed.")
    await parts.admin.resume(tenant, run_id)
    run = await parts.reader.read(tenant, run_id)
    return _answer(run, {"Location": f"/runs/{run_id}"}, status=202)


async def _has_more(parts: AppParts, tenant: str, run: Run, seen: int) -> bool:
    """Tell whether the stream of an ended run has anything after the event last seen."""
    page = await parts.ingress.events(tenant, run.run_id, max(seen - 1, 0))
    if page.more or any(event.seq > seen for event in page.events):
        return True
    if page.run and page.run.ended:
        return False
    # A killed run committed no end: its stream adds one after the last committed event.
    return seen == 0 or any(event.seq == seen for event in page.events)


def _stream(
    parts: AppParts, tenant: str, run_id: str, after: int, headers: Mapping[str, str]
) -> Response:
    events = follow(parts.ingress, parts.reader, parts.live, tenant, run_id, after)
    return EventStream(sse(events, parts.closing), headers={**HEADERS, **headers})


def _answer(run: Run, headers: Mapping[str, str], status: int | None = None) -> Response:
    return Response(
        run.model_dump_json(),
        status_code=status or (200 if run.ended else 202),
        headers=dict(headers),
        media_type="application/json",
    )


def _trace(request: Request) -> dict[str, str]:
    traceparent = request.headers.get("traceparent")
    return {"traceparent": traceparent} if traceparent else {}
