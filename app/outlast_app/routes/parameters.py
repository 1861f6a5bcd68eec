"""What several calls take: who and what a request is about, and how it is asked for."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Header, Path, Query, Request
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from outlast.errors import InvalidRequest
from outlast.names import AGENT_NAME, RUN_ID, THREAD_ID, RunRef, ThreadRef
from outlast.protocol import (
    AddMessages,
    CallResult,
    ChangeThread,
    CreateThread,
    Decision,
    ForkRun,
    RunStatus,
    SignalValue,
    SteerRun,
    ThreadId,
)
from outlast.trace import Trace
from outlast_app.auth import Tenant
from outlast_app.bodies import read_body
from outlast_app.run_filter import RunFilter
from outlast_app.runs.join_position import NoPosition, Position

_MAX_WANTED = 8
_MAX_WANTED_CHARS = 1000
_SHOWN_CHARS = 60
_FIRST_YEAR, _LAST_YEAR = 1970, 2261
_DIGITS = re.compile(r"-?[0-9]{1,15}")
_SEQ = re.compile(r"[0-9]{1,15}")
_MAX_POSITION_CHARS = 16 * 1024


def _check_digits(text: str) -> str:
    # Python reads more as a number than others do: `1_0`, ` 5`, `5.0`.
    if not _DIGITS.fullmatch(text):
        raise PydanticCustomError("whole_number", "write a whole number in digits")
    return text


Number = Annotated[int, BeforeValidator(_check_digits)]


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _check_year(at: datetime) -> datetime:
    # Restate counts nanoseconds in 64 bits.
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise PydanticCustomError("year", "name a year from 1970 to 2261")
    return at


Moment = Annotated[datetime, AfterValidator(_check_year), AfterValidator(_in_utc)]

AgentName = Annotated[str, Path(description="An agent of `GET /agents`.")]
ApprovalId = Annotated[
    str,
    Path(
        pattern=r"^([0-9]{1,6}\.[0-9]{1,6}(\.(doubt|input)[0-9]{1,6})?|limit[0-9]{1,6})$",
        description="The `approval_id`, such as `2.0`, `2.0.doubt1` or `limit1`.",
    ),
]

CallId = Annotated[
    str,
    Path(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}$", description="The `call_id`, such as `2.0`."),
]
DeliveryId = Annotated[
    str,
    Path(pattern=r"^msg_[a-z2-7]{26}$", description="The delivery's `id`, sent as `webhook-id`."),
]
SignalName = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$",
        description="One of the `signals` of a tool that is being carried out.",
    ),
]
SignalCall = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{1,6}\.[0-9]{1,6}$",
        description="The `call_id` that is meant, where several open calls take the signal.",
    ),
]

Limit = Annotated[Number, Query(ge=1, le=100, description="How many items a page has at most.")]
CursorText = Annotated[
    str | None,
    Query(
        description="The `next_cursor` of the page before; without the parameter, the first page. "
        "An empty one is refused: it may be a script's that lost its place."
    ),
]
Order = Annotated[
    Literal["asc", "desc"], Query(description="Oldest first (`asc`), or newest first (`desc`).")
]

Prefer = Annotated[
    list[str] | None,
    Header(
        description="`respond-async` for an answer at once, or `wait=N` to wait N seconds for the "
        "run's end (`APP_WAIT_TIMEOUT_S` without it)."
    ),
]
Accept = Annotated[
    list[str] | None, Header(description="`text/event-stream` for the run's events.")
]
AcceptEvents = Annotated[
    list[str] | None,
    Header(
        alias="accept",
        description="`application/x-ndjson` for the committed events that are there now, one a "
        "line, without waiting for others; else they are streamed.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=256,
        description="Makes the request safe to repeat: the same key with the same body is the "
        "same run, or message; with another body it is refused.",
    ),
]
Turn = Annotated[Number, Path(ge=1, description="The turn, counted from 1.")]
WithEngine = Annotated[
    bool,
    Query(
        description="Whether to ask Restate and the worker, too, where the run is carried out, or "
        "was (`engine`), and of which trace it is (`trace_id`)."
    ),
]
WithMessages = Annotated[
    bool, Query(description="`false` leaves the messages out: for whoever asks again and again.")
]
After = Annotated[
    str | None,
    Query(
        max_length=_MAX_POSITION_CHARS,
        description="Begin after the event with this `id`, which is its `seq` but with "
        "`children=true`; 0 for all.",
    ),
]
WithChildren = Annotated[
    bool,
    Query(
        description="Whether to stream the events of the runs that it has called, too, and of "
        "those that they have called: each has its `run_id`."
    ),
]
AfterMessage = Annotated[
    str,
    Query(min_length=1, max_length=256, description="The `id` of the last message that stays."),
]
WithRuns = Annotated[
    bool,
    Query(description="Whether to forget the thread's runs, too, those that have ended by then."),
]
LastEventId = Annotated[
    str | None,
    Header(
        max_length=_MAX_POSITION_CHARS,
        description="The same as `after`, sent by clients that reconnect; it counts.",
    ),
]


def log_run(request: Request, run_id: str) -> None:
    """Have the request's line in the log say which run it is about."""
    request.state.run_id = run_id


def callers_trace(request: Request) -> Trace | None:
    """Return the trace that the request is part of; one that nobody can read is left out."""
    parent = request.headers.get("traceparent")
    if parent is None:
        return None
    return Trace.read(parent, ",".join(request.headers.getlist("tracestate")))


class Seen(NamedTuple):
    """The `id` of the last event that a client has seen, as it sends it, and where."""

    event_id: str
    field: str

    @property
    def seq(self) -> int:
        """The number of that event.

        Raises:
            InvalidRequest: It is none.
        """
        if not _SEQ.fullmatch(self.event_id):
            raise InvalidRequest.at((self.field, "write the `id` of an event: a whole number"))
        return int(self.event_id)

    @property
    def position(self) -> Position:
        """Where it stands in a stream with the events of called runs.

        Raises:
            InvalidRequest: It is none.
        """
        try:
            return Position.read(self.event_id)
        except NoPosition:
            what = "with children=true, pass the `id` of the last event as it came, or 0"
            raise InvalidRequest.at((self.field, what)) from None


async def _seen(after: After = None, last_event_id: LastEventId = None) -> Seen:
    if last_event_id is not None:
        return Seen(last_event_id, "header.last-event-id")
    return Seen("0" if after is None else after, "query.after")


async def _run(
    run_id: Annotated[str, Path(max_length=128, description="The run's `run_id`.")],
    tenant: Tenant,
    request: Request,
) -> RunRef:
    ref = RunRef.parse(tenant, run_id)
    log_run(request, ref.run_id)
    return ref


async def _thread(
    thread_id: Annotated[
        str, Path(pattern=f"^{THREAD_ID}$", description="The name that runs gave the thread.")
    ],
    tenant: Tenant,
) -> ThreadRef:
    return ThreadRef(tenant, thread_id)


async def _wanted_metadata(request: Request) -> dict[str, str]:
    """Return what a listing's items must have: of `metadata.ticket=4711` the name and the value.

    Raises:
        InvalidRequest: It is more than a query should look for.
    """
    wanted: dict[str, str] = {}
    for parameter, value in request.query_params.multi_items():
        kind, dot, name = parameter.partition(".")
        if kind != "metadata" or not dot:
            continue
        field = f"query.{parameter[:_SHOWN_CHARS]}"
        if not name or len(parameter) + len(value) > _MAX_WANTED_CHARS:
            raise InvalidRequest.at((field, "write metadata.NAME=VALUE, of up to 1000 characters"))
        if wanted.get(name, value) != value:
            raise InvalidRequest.at((field, "nothing has two values of one name"))
        wanted[name] = value
    if len(wanted) > _MAX_WANTED:
        raise InvalidRequest.at(("query.metadata", f"look for up to {_MAX_WANTED} at once"))
    return wanted


WantedMetadata = Annotated[dict[str, str], Depends(_wanted_metadata)]


async def _filter(
    metadata: WantedMetadata,
    # A name that no agent has now may have runs: those of an agent that was removed.
    agent: Annotated[
        str | None, Query(pattern=f"^{AGENT_NAME}$", description="Only runs of this agent.")
    ] = None,
    thread_id: Annotated[ThreadId | None, Query(description="Only runs on this thread.")] = None,
    id_prefix: Annotated[
        str | None,
        Query(pattern=r"^[a-z0-9._-]{1,90}$", description="Only runs whose id begins so."),
    ] = None,
    status: Annotated[
        list[RunStatus] | None,
        Query(description="Only runs that are in this status now, or in one of several."),
    ] = None,
    created_after: Annotated[
        Moment | None, Query(description="Only runs that were accepted at this time or later.")
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="Only runs that were accepted before this time.")
    ] = None,
    parent: Annotated[
        str | None,
        Query(pattern=f"^{RUN_ID}$", description="Only runs that this run has called."),
    ] = None,
) -> RunFilter:
    return RunFilter(
        agent=agent,
        thread_id=thread_id,
        id_prefix=id_prefix,
        statuses=frozenset(status or ()),
        metadata=metadata,
        created_after=created_after,
        created_before=created_before,
        parent=parent,
    )


SeenEvent = Annotated[Seen, Depends(_seen)]
RunPath = Annotated[RunRef, Depends(_run)]
ThreadPath = Annotated[ThreadRef, Depends(_thread)]
Filter = Annotated[RunFilter, Depends(_filter)]


async def _fork(request: Request) -> ForkRun:
    return await read_body(request, ForkRun)


async def _new_thread(request: Request) -> CreateThread:
    return await read_body(request, CreateThread)


async def _thread_change(request: Request) -> ChangeThread:
    return await read_body(request, ChangeThread)


async def _added_messages(request: Request) -> AddMessages:
    return await read_body(request, AddMessages)


async def _steer(request: Request) -> SteerRun:
    return await read_body(request, SteerRun)


async def _signal(request: Request) -> SignalValue:
    return await read_body(request, SignalValue)


async def _decision(request: Request) -> Decision:
    return await read_body(request, Decision)


async def _result(request: Request) -> CallResult:
    return await read_body(request, CallResult)


ForkBody = Annotated[ForkRun, Depends(_fork)]
NewThreadBody = Annotated[CreateThread, Depends(_new_thread)]
ThreadChangeBody = Annotated[ChangeThread, Depends(_thread_change)]
AddedMessagesBody = Annotated[AddMessages, Depends(_added_messages)]
SteerBody = Annotated[SteerRun, Depends(_steer)]
DecisionBody = Annotated[Decision, Depends(_decision)]
ResultBody = Annotated[CallResult, Depends(_result)]
SignalBody = Annotated[SignalValue, Depends(_signal)]
