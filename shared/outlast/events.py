"""Events of a run: committed ones, numbered from 1 without a gap, and live ones, without a number.

Committed events follow from journaled values alone, so a replay emits the same ones with the same
numbers. Live events are previews of what will be committed, and may be lost.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, TypeAdapter

from outlast.protocol import (
    WRITTEN_ID,
    Action,
    Awaited,
    By,
    CallId,
    Limits,
    Message,
    OrNewer,
    Part,
    Public,
    Reason,
    Run,
    RunError,
    Time,
    ToolErrorType,
    Usage,
    WaitKind,
)


class Event(Public):
    """Base of every committed event."""

    run_id: str
    """The run that it happened to."""
    seq: int
    """The event's number in its run: 1, 2, 3, …; also the `id:` in a stream."""
    at: Time | None = None
    """When it happened, as the run's journal says: of `approval.resolved`, when somebody decided.
    Null where that is not known: at the end of a run that was killed."""


class RunQueued(Event):
    """The run has to wait before it begins: in its thread's line, or for its time."""

    type: Literal["run.queued"] = "run.queued"


class RunStarted(Event):
    """The run begins: it holds its thread, and keeps its agent's definition of this moment."""

    type: Literal["run.started"] = "run.started"
    agent: str | None = None
    """The agent that speaks first, if the thread remembers another one than the run's."""


class TurnStarted(Event):
    """A turn begins: the model is called next."""

    type: Literal["turn.started"] = "turn.started"
    turn: int
    """The turn, counted from 1."""


class ModelFallback(Event):
    """The agent's next model is asked, since the one before gave no answer.

    The run stays with the model that answers.
    """

    type: Literal["model.fallback"] = "model.fallback"
    turn: int
    """The turn that it is asked for."""
    model: str
    """The model that is asked now."""
    instead_of: str
    """The model that was asked before."""
    error: RunError
    """Why that one gave no answer."""


class Compacted(Event):
    """The prompt had grown too long: its beginning is not sent to models any more.

    What was said stays where it is, for whoever reads the run or its thread.
    """

    type: Literal["compacted"] = "compacted"
    turn: int
    """The turn before whose model call that was done."""
    how: Annotated[Literal["summary", "window"], OrNewer]
    """Whether a summary stands for what is left out, or only a note that something is."""
    messages: int
    """How many messages were left out; a summary that was made earlier counts as one."""
    tokens_before: int
    """About how long the prompt would have been."""
    tokens_after: int
    """About how long it is now."""
    model: str | None = None
    """The model that has summed up, if one has."""
    usage: Usage | None = None
    """What the summary used; it is part of the run's usage."""


class MessageCompleted(Event):
    """The model's answer is complete and recorded, or what it had said when the run was cancelled.

    It takes the place of all live events of its turn.
    """

    type: Literal["message.completed"] = "message.completed"
    turn: int
    """The turn whose answer it is."""
    message: Message
    """The answer, with the tool calls it asks for."""
    usage: Usage
    """What this model call used."""
    model: str
    """The model that answered."""
    finish_reason: str
    """Why it stopped, in the provider's word; `cancelled` if it was broken off."""
    started_at: Time | None = None
    """When the call that gave this answer began; null if it was broken off."""
    first_token_ms: int | None = None
    """How long after that its first piece came; null where it was not streamed."""
    attempts: int | None = None
    """How many calls this turn took, those included that failed."""


class ToolCallStarted(Event):
    """A tool is about to be called: at once, or after a person has approved the call."""

    type: Literal["tool_call.started"] = "tool_call.started"
    turn: int
    """The turn that asked for the call."""
    call_id: str
    """Names the call within its run."""
    name: str
    """The tool."""
    arguments: dict[str, JsonValue]
    """What it is called with."""


class ToolCallRequested(Event):
    """A client has to run a tool. Send the result to `POST /runs/{run_id}/results/{call_id}`."""

    type: Literal["tool_call.requested"] = "tool_call.requested"
    turn: int
    """The turn that asked for the call."""
    call_id: str
    """Names the call within its run; a client's idempotency key, since it may see this twice."""
    name: str
    """The tool."""
    arguments: dict[str, JsonValue]
    """What it is called with; they fit the tool's parameters."""
    expires_at: Time
    """When nobody is waited for any more, and the model is told so."""


class ChildStarted(Event):
    """A call of an agent has begun a run of its own, to be followed at its own address."""

    type: Literal["child.started"] = "child.started"
    call_id: str
    """Names the call within this run."""
    child_run_id: str
    """The run that answers it."""
    agent: str
    """The agent that carries it out."""


class HandedOver(Event):
    """Another agent has taken the run over: from the next turn on it speaks, by its definition."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    type: Literal["handoff"] = "handoff"
    turn: int
    """The turn in which it was asked to."""
    call_id: str
    """The call by which it was."""
    from_: str = Field(alias="from")
    """The agent that spoke until then."""
    to: str
    """The agent that speaks from then on."""


class ToolCallCompleted(Event):
    """A call has its result. Comes in the order in which calls finish.

    A call that nobody approved has one too, without ever having started.
    """

    type: Literal["tool_call.completed"] = "tool_call.completed"
    call_id: str
    """Names the call within its run."""
    name: str
    """The tool."""
    is_error: bool
    """Whether it failed, so that the output says why."""
    output: str
    """What the model is told."""
    parts: list[Part] | None = None
    """The same with its images and documents, if it has any."""
    duration_ms: int
    """How long the tool took."""
    started_at: Time | None = None
    """When it began; null if it never did."""
    error_type: Annotated[ToolErrorType, OrNewer] | None = None
    """What kind of failure it is; null if it is none."""


class ApprovalRequested(Event):
    """A person is asked. Decide at `POST /runs/{run_id}/approvals/{approval_id}`."""

    type: Literal["approval.requested"] = "approval.requested"
    call_id: CallId = None
    """Names the call within its run; null for a limit."""
    approval_id: str | None = None
    """Names the approval within its run."""
    name: str
    """The tool; of a limit its name, such as `max_turns`."""
    arguments: dict[str, JsonValue]
    """What the model wants to pass."""
    reason: Reason = "approval"
    """Why a person is asked: as in the run's approvals."""
    question: str | None = None
    """What is asked, in a sentence; null where the reason says it."""
    content_schema: dict[str, JsonValue] | None = None
    """Of `input`: a JSON Schema of the `content` to answer with."""
    url: str | None = None
    """Of `input`: where a person does what is asked for in a browser, to answer `{}` then."""
    expires_at: Time | None = None
    """When it is given up and counts as refused; null if it waits for as long as it takes."""

    _written_id = WRITTEN_ID


class ApprovalResolved(Event):
    """An approval waits for nobody any more: somebody decided, or nobody did in time."""

    type: Literal["approval.resolved"] = "approval.resolved"
    call_id: CallId = None
    """Names the call within its run; null for a limit."""
    approval_id: str | None = None
    """Names the approval within its run."""
    action: Annotated[Action | Literal["expired"], OrNewer]
    """What was decided; `expired` if nobody did in time."""
    by: By = None
    """Who decided; null if nothing is known of them."""
    reason: str | None = None
    """Why, in the words of whoever decided."""
    arguments: dict[str, JsonValue] | None = None
    """Those that a person put in place of the model's; null if the model's were approved."""
    output: JsonValue = None
    """What a call in doubt came to, by whoever completed it."""
    limits: Limits | None = None
    """Where the run stops from then on, if a limit was raised."""
    content: JsonValue = None
    """What was answered, if something was asked for."""

    _written_id = WRITTEN_ID


class RunWaiting(Event):
    """Nothing of the run is in flight any more: it waits for people, clients or a signal.

    Comes again whenever an answer has changed what it waits for.
    """

    type: Literal["run.waiting"] = "run.waiting"
    segment: int
    """Which of the run's segments ends here: 1, 2, 3, …"""
    waiting_for: Annotated[WaitKind, OrNewer]
    """For whom; `client` if it is both clients and people."""
    approvals: list[Awaited] = Field(default_factory=list[Awaited])
    """The approvals that are open."""
    calls: list[Awaited] = Field(default_factory=list[Awaited])
    """The calls whose results clients have to send, and those that wait for a signal."""


class SteerReceived(Event):
    """The run has read what somebody said to it: the next model call has it."""

    type: Literal["steer.received"] = "steer.received"
    message: Message
    """What was said."""


class OutputRejected(Event):
    """An answer was not what it has to be; the model is told why, and answers again."""

    type: Literal["output.rejected"] = "output.rejected"
    turn: int
    """The turn whose answer it is."""
    faults: list[str]
    """What is wrong with it."""
    message: Message
    """What the model is told of it."""


class RunCompleted(Event):
    """The run has ended with an answer. The last event."""

    type: Literal["run.completed"] = "run.completed"
    run: Run
    """The run, without its messages."""


class RunIncomplete(Event):
    """The run has ended at a limit: see its `incomplete_reason`. The last event."""

    type: Literal["run.incomplete"] = "run.incomplete"
    run: Run
    """The run, without its messages."""


class RunFailed(Event):
    """The run has failed, or was killed: see its `error`. The last event."""

    type: Literal["run.failed"] = "run.failed"
    run: Run
    """The run, without its messages."""


class RunCancelled(Event):
    """The run was cancelled. The last event."""

    type: Literal["run.cancelled"] = "run.cancelled"
    run: Run
    """The run, without its messages."""


TerminalEvent = RunCompleted | RunIncomplete | RunFailed | RunCancelled
AnyEvent = Annotated[
    RunQueued
    | RunStarted
    | TurnStarted
    | ModelFallback
    | Compacted
    | MessageCompleted
    | ToolCallStarted
    | ToolCallRequested
    | ChildStarted
    | HandedOver
    | ToolCallCompleted
    | ApprovalRequested
    | ApprovalResolved
    | RunWaiting
    | SteerReceived
    | OutputRejected
    | TerminalEvent,
    Field(discriminator="type"),
]
ANY_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


class UnknownEvent(Event):
    """Comes from a newer process, and is passed on as it is."""

    model_config = ConfigDict(extra="allow")

    type: str
    """What happened."""


_KNOWN = frozenset(
    kind.model_fields["type"].default for kind in Event.__subclasses__() if kind is not UnknownEvent
)


def _tag(event: Any) -> str:
    kind: Any = getattr(event, "type", None)
    if isinstance(event, dict):
        kind = event.get("type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON
    return "known" if kind in _KNOWN else "unknown"


ReadEvent = Annotated[
    Annotated[AnyEvent, Tag("known")] | Annotated[UnknownEvent, Tag("unknown")],
    Discriminator(_tag),
]
"""A committed event as it is read back: whoever wrote it may be newer."""

TERMINAL_EVENTS: dict[str, type[TerminalEvent]] = {
    "completed": RunCompleted,
    "incomplete": RunIncomplete,
    "failed": RunFailed,
    "cancelled": RunCancelled,
}


def terminal_event(run: Run, seq: int) -> TerminalEvent:
    """Return the event that ends the stream of a run that has ended."""
    return TERMINAL_EVENTS[run.status](
        run_id=run.run_id, seq=seq, at=run.ended_at, run=run.model_copy(update={"messages": None})
    )


class LiveEvent(Public):
    """Base of every live event."""

    run_id: str
    """The run that it comes from."""


class MessageReset(LiveEvent):
    """A model call begins, perhaps once more: forget the text of this turn."""

    type: Literal["message.reset"] = "message.reset"
    turn: int
    """The turn that the call is for."""
    attempt: int
    """Rises with each model call, also with those that repeat one."""


class MessageDelta(LiveEvent):
    """More of the text of this turn."""

    type: Literal["message.delta"] = "message.delta"
    turn: int
    """The turn that is being written."""
    attempt: int
    """The model call that writes it, as in `message.reset`."""
    n: int
    """Counts 0, 1, … within an attempt, over both kinds of delta, so that a gap shows."""
    text: str
    """Append it to the text of this turn."""


class ReasoningDelta(LiveEvent):
    """More of what the model thinks before it answers, where its provider shows that."""

    type: Literal["reasoning.delta"] = "reasoning.delta"
    turn: int
    """The turn that is being written."""
    attempt: int
    """The model call that writes it, as in `message.reset`."""
    n: int
    """Counts 0, 1, … within an attempt, over both kinds of delta, so that a gap shows."""
    text: str
    """Append it to the reasoning of this turn."""


class MessageSnapshot(LiveEvent):
    """All of the turn's text so far: for who comes late, or was slow."""

    type: Literal["message.snapshot"] = "message.snapshot"
    turn: int
    """The turn that is being written."""
    attempt: int
    """The model call that writes it, as in `message.reset`."""
    n: int
    """The number of the next delta."""
    text: str
    """Put it in place of the text of this turn."""
    reasoning: str
    """Put it in place of the reasoning of this turn."""


class ToolCallProgress(LiveEvent):
    """A tool says how far it is."""

    type: Literal["tool_call.progress"] = "tool_call.progress"
    call_id: str
    """Names the call within its run."""
    done: float
    """How much of `total` is done."""
    total: float | None = None
    """How much there is to do; null if the tool doesn't say."""
    message: str | None = None
    """What the tool says of it."""


AnyLiveEvent = Annotated[
    MessageReset | MessageDelta | ReasoningDelta | MessageSnapshot | ToolCallProgress,
    Field(discriminator="type"),
]
