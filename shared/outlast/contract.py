"""What app and worker say to each other through Restate. Clients never see it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from outlast.events import AnyEvent, ReadEvent
from outlast.names import RunRef, ThreadRef
from outlast.protocol import (
    Approval,
    Awaited,
    By,
    CallAnswer,
    ClientCall,
    Content,
    Decision,
    ForkedFrom,
    History,
    InputMessage,
    Limits,
    Message,
    OnBusy,
    Origin,
    Overrides,
    ParentCall,
    Resolution,
    Run,
    ThreadId,
    ThreadSummary,
    Time,
    Webhook,
    Wire,
)
from outlast.trace import Trace

DIGEST = "outlast-digest"
"""Where a service's metadata holds the agent's digest."""

# State that the app's listings read in Restate, without the worker.
RUN_KEY = "run"
"""A run's `Run`, as it is now, without messages and without what has keys of its own."""
METADATA_KEY = "metadata"
"""A run's metadata, if it has any."""
APPROVAL_PREFIX = "approval:"
"""Before an approval's id: the `Approval` as it was requested."""
RESOLUTION_PREFIX = "resolution:"
"""Before an approval's id: the `Resolution` that it came to."""
PENDING_PREFIX = "pending:"
"""Before an approval's id, while it waits: when it was requested. So all that waits is found."""
CALL_PREFIX = "call:"
"""Before a call's id: the `ClientCall` as a client was asked to run it."""
ANSWER_PREFIX = "answer:"
"""Before a call's id: the `CallAnswer` that it came to."""
OPEN_CALL_PREFIX = "open_call:"
"""Before a call's id, while it waits for a client: when it was requested."""
OLDER_APPROVALS_KEY = "approvals"
"""Where older workers keep the pending approvals of a run, a list of `Approval`."""
HEAD_KEY = "head"
"""A thread's holder, line and page counts (`outlast_worker.services.thread_state.Head`)."""
MAX_IN_LINE = 1000
"""How many runs may wait for a thread, unless the app is set otherwise."""
LINE_PREFIX = "line:"
"""Before a number: the run of a thread that has it in line, with its `run_id`."""


def whole_run(
    run: Run,
    metadata: Mapping[str, str] | None,
    approvals: Iterable[Approval],
    resolutions: Mapping[str, Resolution],
    calls: Iterable[ClientCall] = (),
    answers: Mapping[str, CallAnswer] | None = None,
) -> Run:
    """Put a run together from its keys. What an older worker has kept is whole already."""
    asked = sorted(approvals, key=lambda approval: (approval.requested_at, approval.id))
    if asked:
        found = [
            approval.model_copy(update={"resolution": resolutions.get(approval.id)})
            for approval in asked
        ]
        run = run.model_copy(update={"approvals": found})
    requested = sorted(calls, key=lambda call: (call.requested_at, call.call_id))
    if requested:
        known = answers or {}
        seen = [call.model_copy(update={"answer": known.get(call.call_id)}) for call in requested]
        run = run.model_copy(update={"calls": seen})
    return run.model_copy(update={"metadata": dict(metadata)}) if metadata else run


class ConversationMark(Wire):
    """Which conversation it is, by what was said: two that have the same mark are the same.

    `digest` is of all messages that a run reads, in their order. A mark says nothing of who said
    it, and to whom. `covers`: how many messages of the thread the first one stands for, if it is a
    summary. `tokens`: about how long it is for a model, if that is known.
    """

    digest: str
    messages: int
    bytes: int
    covers: int | None = None
    tokens: int | None = None

    def names_same(self, other: "ConversationMark") -> bool:
        """Tell whether both are of one conversation, whatever else they say of it."""
        return (self.digest, self.messages, self.bytes) == (
            other.digest,
            other.messages,
            other.bytes,
        )


class Allowance(Wire):
    """What a limited run has left, for all runs that it calls in one turn together.

    `account` names it; what is null is not limited.
    """

    account: str
    tokens: int | None = None
    cost_usd: float | None = None


class RunOrder(Wire):
    """The input of a run's workflow.

    `admission` says how the run comes to hold its thread: `granted` and `queued` were decided by
    `Thread.submit`; a run that is to start later joins the line itself (`join`). `max_in_line`:
    how many runs may wait for the thread already; by default `MAX_IN_LINE`. `conversation`: what
    a run that was granted its thread goes on with, if that is known. `trace` is
    that of the request, if it had one. `parent` is the call that the run answers, and `above`
    all runs above it, the first one first; null if it is nobody's child. `may_open` is how many
    runs may be open below it at once; by default `MAX_OPEN` of `outlast.agent_tool`. `sticky`:
    whether the run begins with the agent to which the thread's runs of its agent were handed over
    last. `allowances` are of those above it that are limited; its model calls are asked for there.
    """

    run_id: str
    tenant: str
    agent: str
    input: list[InputMessage]
    thread_id: ThreadId | None = None
    admission: Literal["none", "granted", "queued", "join"]
    on_busy: OnBusy = "enqueue"
    stream: bool
    context: dict[str, JsonValue]
    metadata: dict[str, str]
    limits: Limits
    after_s: float
    created_at: Time
    body_hash: str
    repeatable: bool
    max_in_line: int | None = None
    trace: Trace | None = None
    history: History | None = None
    after_run: str | None = None
    overrides: Overrides | None = None
    origin: Origin | None = None
    conversation: ConversationMark | None = None
    parent: ParentCall | None = None
    above: list[str] | None = None
    may_open: int | None = None
    webhooks: list[Webhook] | None = None
    sticky: bool | None = None
    forked_from: ForkedFrom | None = None
    allowances: list[Allowance] | None = None

    @property
    def ref(self) -> RunRef:
        """Which run this is."""
        return RunRef(self.tenant, self.run_id)

    @property
    def thread(self) -> ThreadRef | None:
        """The thread that the run is on."""
        return ThreadRef(self.tenant, self.thread_id) if self.thread_id else None


class SubmitAnswer(Wire):
    """`known`: this run was accepted before; `same_body` compares the two requests.

    `granted`: the run holds its thread; `queued`: it waits in line. `run_id` is the run that holds
    the thread (`rejected`) or that took the input (`steered`). `full`: as many wait as may.
    `moved`: another run than `after_run` was the last; `run_id`, if there is one.
    `conversation`: as in `RunOrder`, for a run that joins the line itself.
    """

    outcome: Literal["granted", "queued", "known", "rejected", "steered", "full", "moved"]
    same_body: bool = True
    run_id: str | None = None
    conversation: ConversationMark | None = None


class SameQuestion(Wire):
    body_hash: str
    wait_s: float


class SameAnswer(Wire):
    """`unknown`: the run has not begun."""

    answer: Literal["same", "different", "unknown"]


class StatusQuestion(Wire):
    """`messages`: whether to return them, too. `killed`: the run was, and takes nothing in.

    `engine`: whether to say of which trace the run is, and which definition it keeps.
    """

    messages: bool = False
    killed: bool = False
    engine: bool = False


class PromptQuestion(Wire):
    turn: int


class SettledQuestion(Wire):
    """`wait_s`: for how long. `in_line`: whether to be told of a holder that waits, too."""

    wait_s: float
    in_line: bool = False


class SettledAnswer(Wire):
    """`settled`: the run waits for a person; older workers say so of one that has ended, too.

    `parked`: it is in line behind one that waits for a person, or was. `neither`: the time is over.
    """

    outcome: Literal["settled", "ended", "parked", "neither"]


class EventsQuestion(Wire):
    after: int


class EventPage(Wire):
    """Committed events after a number, and the run as it is now (None before it has begun).

    `more`: others follow, which one answer has no room for.
    """

    events: list[ReadEvent]
    run: Run | None = None
    more: bool = False


class ReturnedRun(Run):
    """A run as its workflow returns it, for processes alone.

    `last_events`: the last ones that it has committed, to its end, so that who follows it need not
    read them; null if they are large.
    """

    last_events: list[ReadEvent] | None = None

    @classmethod
    def of(cls, run: Run, last_events: Sequence[AnyEvent]) -> Self:
        """Put them together."""
        return cls(**_fields(run), last_events=list(last_events) or None)

    @classmethod
    def for_caller(cls, run: Run) -> Self:
        """Return what a run that has called this one needs of it: its journal has it, too.

        What is left out is in the called run's state.
        """
        elsewhere: dict[str, Any] = {"metadata": {}, "approvals": [], "calls": []}
        nothing = {"messages": None, "origin": None, "input_preview": None}
        return cls(**_fields(run.model_copy(update={**elsewhere, **nothing})))

    @property
    def run(self) -> Run:
        """The run, as everybody gets it."""
        return Run(**_fields(self))


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in Run.model_fields}


class WaitReport(Wire):
    """What a run tells the run that has called it: for what it waits, or that it goes on.

    `index` counts the reports of one call. `approvals` and `calls` are as in `run.waiting`; with
    neither of them the run goes on.
    """

    call_id: str
    index: int
    at: Time
    approvals: list[Awaited] = Field(default_factory=list[Awaited])
    calls: list[Awaited] = Field(default_factory=list[Awaited])


class CancelOrder(Wire):
    """`invocation_id` is Restate's, of the run's workflow."""

    run_id: str
    invocation_id: str
    at: Time


class SteeringMessage(Wire):
    """What somebody says to a run that is going on.

    `key` names a request that may be repeated, and `body_hash` what it said.
    """

    message_id: str
    input: list[InputMessage]
    at: Time
    key: str | None = None
    body_hash: str = ""


class SteerOrder(Wire):
    run_id: str
    input: list[InputMessage]
    at: Time
    key: str | None = None
    body_hash: str = ""


class SteerAnswer(Wire):
    """`accepted` also for a repeated request; `different`: its key came with another body."""

    outcome: Literal["accepted", "ended", "different"]
    message_id: str | None = None


class DecideOrder(Wire):
    """`approval_id` is null where it is the `call_id`, which is all that older workers know.

    `key` is the name of the key that the decision came with, `trace` its request's.
    """

    call_id: str
    approval_id: str | None = None
    decision: Decision
    at: Time
    key: str | None = None
    trace: Trace | None = None

    @property
    def decides(self) -> str:
        """The approval that is decided on."""
        return self.approval_id or self.call_id


class ClientResult(Wire):
    """What a call that a client runs came to: its result, or that there is none."""

    call_id: str
    outcome: Literal["answered", "expired", "withdrawn"]
    output: Content = ""
    is_error: bool = False
    at: Time
    by: By = None

    @property
    def answer(self) -> CallAnswer:
        """The same without the output, which is in the run's messages."""
        return CallAnswer(
            call_id=self.call_id,
            outcome=self.outcome,
            is_error=self.is_error,
            at=self.at,
            by=self.by,
        )


class ResultOrder(Wire):
    """`key` is the name of the key that the result came with."""

    call_id: str
    output: Content
    is_error: bool
    at: Time
    key: str | None = None
    by: str | None = None


class ResultAnswer(Wire):
    """`answer` is what counts: of this result, the same one before it, or another one."""

    outcome: Literal["taken", "unknown", "ended", "conflict"]
    answer: CallAnswer | None = None


class FieldFault(Wire):
    """What is wrong with one field of a request."""

    field: str
    message: str


class DecideAnswer(Wire):
    """`resolution` is what counts: this decision, the same one before it, or another one."""

    outcome: Literal["decided", "unknown", "ended", "conflict", "invalid"]
    resolution: Resolution | None = None
    faults: list[FieldFault] = Field(default_factory=list[FieldFault])


class SignalOrder(Wire):
    """`call_id` is null where the run is to find out which of its calls takes the signal."""

    name: str
    call_id: str | None = None
    value: JsonValue = None


class SignalAnswer(Wire):
    """`taken`: it counts, also if the same was sent before; `different`: another value does.

    `ambiguous`: several open calls take it. `unknown`: none does. `ended`: the run has.
    """

    outcome: Literal["taken", "different", "ambiguous", "unknown", "ended"]
    call_ids: list[str] = Field(default_factory=list[str])


class ForkQuestion(Wire):
    after_turn: int


class ForkPoint(Wire):
    """Whether a run can be gone on from after a turn.

    `unknown_turn`: it has not had that one, or not to its end. `open_calls`: nobody knows what some
    calls of that turn came to. `lost`: what was said on its thread before it is not there any more.
    `last_turn`: the last one after which it can be, if there is one. `is_answered`: the last word
    is the model's, so that nobody asks it for more. `has_definition`: whether it has kept one.
    """

    outcome: Literal["there", "unknown_turn", "open_calls", "lost"]
    last_turn: int | None = None
    call_ids: list[str] = Field(default_factory=list[str])
    is_answered: bool = False
    has_definition: bool = False


class RedeliverOrder(Wire):
    """A webhook's event that is to be delivered again: `id` names it."""

    id: str
    at: Time


class ThreadHolder(Wire):
    """Who holds a thread.

    `held_up`: the run waits for a person, or did when it was killed. `last_run`: the run that the
    thread has taken last, or `none`, as `after_run` of a start takes it; null of an older worker.
    """

    run_id: str | None = None
    held_up: bool = False
    message_count: int
    last_run: str | None = None


class ThreadStatus(Wire):
    """A thread without its messages."""

    run_id: str | None = None
    queued: list[str]
    message_count: int
    metadata: dict[str, str] = Field(default_factory=dict[str, str])
    expires_after_s: float | None = None
    summary: ThreadSummary | None = None
    created_at: Time
    updated_at: Time


class ThreadOrder(Wire):
    """A thread to make. `request` names one that may be repeated, with what it said."""

    metadata: dict[str, str]
    expires_after_s: float | None = None
    request: str | None = None
    at: Time


class CreateAnswer(Wire):
    """`exists`: there is a thread of this name, and this request did not make it."""

    outcome: Literal["created", "exists"]


class AddOrder(Wire):
    """`added_as` names what is added, also when the request is repeated."""

    added_as: str
    messages: list[InputMessage]
    at: Time
    body_hash: str
    repeatable: bool


class AddAnswer(Wire):
    """`different`: this was added before, with another body."""

    outcome: Literal["added", "different", "busy", "unknown"]
    message_ids: list[str] = Field(default_factory=list[str])
    run_id: str | None = None


class ThreadChange(Wire):
    """`changes_expiry`: whether `expires_after_s` counts, which is null for a thread that stays."""

    set_metadata: dict[str, str]
    unset_metadata: list[str]
    changes_expiry: bool
    expires_after_s: float | None = None
    at: Time


class ChangeAnswer(Wire):
    outcome: Literal["changed", "unknown", "too_large"]


class HistoryQuestion(Wire):
    after: int
    limit: int


class HistoryAnswer(Wire):
    """`items` is None when there is no such thread."""

    items: list[Message] | None = None
    message_count: int


class DeleteOrder(Wire):
    """`dead` is a run that was killed, so that it can't release the thread."""

    dead: str | None = None


class TakeBackOrder(Wire):
    """`after` is the id of the last message that stays."""

    after: str
    at: Time


class TakeBackAnswer(Wire):
    """`open_calls`: tool calls would stay without their results."""

    outcome: Literal["taken_back", "busy", "unknown", "unknown_message", "open_calls"]
    run_id: str | None = None


class DeleteAnswer(Wire):
    outcome: Literal["deleted", "busy", "unknown"]
    run_id: str | None = None
