"""What a run is, as everybody sees it."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from outlast.protocol.approvals import Approval
from outlast.protocol.client_calls import ClientCall
from outlast.protocol.messages import Message
from outlast.protocol.requests import ForkedFrom, Origin, Webhook
from outlast.protocol.waiting import Waiting, WaitKind
from outlast.protocol.wire import OrNewer, Public, Time

RunStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "incomplete", "failed", "cancelled"
]
ENDED: frozenset[RunStatus] = frozenset({"completed", "incomplete", "failed", "cancelled"})

IncompleteReason = Literal[
    "max_turns",
    "max_tool_calls",
    "max_tokens",
    "max_cost_usd",
    "max_duration_s",
    "output_length",
    "content_filter",
]
RunErrorType = Literal[
    "model-auth",
    "model-not-found",
    "model-rejected",
    "context-too-long",
    "content-policy",
    "model-unavailable",
    "model-malformed",
    "definition-missing",
    "tool-server-unavailable",
    "override-refused",
    "price-unknown",
    "hook-failed",
    "guardrail",
    "output-invalid",
    "killed",
    "internal",
]

ToolErrorType = Literal[
    "invalid_arguments",
    "limit",
    "unknown_tool",
    "rejected",
    "refused",
    "expired",
    "tool_error",
    "timeout",
    "too_large",
    "stopped",
    "child",
    "handoff",
    "in_doubt",
    "internal",
]


class Usage(Public):
    """What was used."""

    input_tokens: int = 0
    """Tokens that were sent to models."""
    output_tokens: int = 0
    """Tokens that models wrote."""
    cached_tokens: int = 0
    """Those of the tokens sent that the provider had cached."""
    reasoning_tokens: int = 0
    """Those of the tokens written that were reasoning."""
    model_calls: int = 0
    """Model calls that gave an answer, also one that was broken off."""
    tool_calls: int = 0
    """Tool calls that were carried out, also those that failed."""
    cost_usd: float | None = None
    """What it cost in US dollars; null as soon as one price is unknown."""

    def __add__(self, other: "Usage") -> "Usage":
        """Add up two usages; an unknown cost stays unknown."""
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
            cost_usd=(self.cost_usd or 0) + (other.cost_usd or 0) if known else None,
        )


NOTHING_USED = Usage(cost_usd=0.0)
"""What a run has used before its first step."""


class RunError(Public):
    """Why a run failed."""

    type: Annotated[RunErrorType, OrNewer]
    """A stable short name."""
    message: str
    """What went wrong and what to do, for a person."""
    retryable: bool
    """Whether the same request may well succeed later."""


class Engine(Public):
    """What holds up a run that has not ended: at Restate, or else at the model.

    With `engine=true` also where the run is carried out, or was.
    """

    attempts: int = 0
    """How many times it was tried."""
    last_failure: str | None = None
    """Why the last attempt failed; null if none did."""
    next_retry_at: Time | None = None
    """When it is tried again; null if no attempt is planned."""
    invocation_id: str | None = None
    """What Restate calls the run. Only with `engine=true`, as the two that follow."""
    deployment_id: str | None = None
    """What Restate calls the worker that has it."""
    digest: str | None = None
    """The digest of the agent's definition that it keeps; null before it has begun."""


class ParentCall(Public):
    """A call by which a run was started: of an agent, as a tool of another one."""

    run_id: str
    """The run that called, and gets the answer."""
    call_id: str
    """Names the call within that run."""


class Run(Public):
    """One shape for a run, everywhere. Lists and events leave out `messages`."""

    run_id: str
    """Names the run: `<agent>.<26 characters>`, which nobody can guess."""
    agent: str
    """The agent that was asked, and carries it out."""
    parent: ParentCall | None = None
    """The call of another run that it answers, if an agent called it as a tool."""
    forked_from: ForkedFrom | None = None
    """The run whose history it goes on from, if it is a fork."""
    thread_id: str | None = None
    """The conversation that it is on, if any."""
    status: Annotated[RunStatus, OrNewer]
    """Where it stands. `queued`: accepted, or waiting for its thread · `running` · `waiting`: see
    `waiting_for` · `paused`: Restate gave up trying, until it is resumed. It has ended when it is
    `completed`, `incomplete` (see `incomplete_reason`), `failed` (see `error`) or `cancelled`."""
    waiting_for: Annotated[WaitKind, OrNewer] | None = None
    """What a waiting run waits for: a person's decision (`approval`), a client's result
    (`client`), an `input`, a `signal`, a `child`, or its time (`timer`); null while it does not."""
    waiting: Waiting | None = None
    """Why it stands still, if it does; more than `waiting_for`, since a run that is `queued` or
    `running` may stand still, too."""
    segment: int = 1
    """How often it has waited for somebody outside so far, and one more."""
    turn: int = 0
    """The turn it is at, counted from 1: one model call and the tool calls it asks for."""
    handed_over_to: str | None = None
    """The agent that has taken it over, and speaks now; null while `agent` does."""
    output: JsonValue = None
    """The agent's answer: a text, or what an `output_schema` asks for; null before the end, where
    there is none, and in lists where it is long."""
    output_preview: str | None = None
    """In lists: how a long `output` begins, which is left out there."""
    messages: list[Message] | None = None
    """What was said so far; null in lists and events, with `messages=false`, and where no worker
    answers and the run goes on, or was called by another one."""
    usage: Usage = NOTHING_USED
    """What was used so far."""
    approvals: list[Approval] = Field(default_factory=list[Approval])
    """What waits, or waited, for a person."""
    calls: list[ClientCall] = Field(default_factory=list[ClientCall])
    """Calls of tools that clients run, waiting or answered."""
    error: RunError | None = None
    """Why it failed."""
    incomplete_reason: Annotated[IncompleteReason, OrNewer] | None = None
    """Where it stopped: which of its `limits` it reached, the length of an answer, or the
    provider's filter."""
    input_preview: str | None = None
    """How the input's last message begins: up to 200 characters of its text, on one line."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """As given at the start."""
    origin: Origin | None = None
    """As given at the start; null where `messages` are."""
    webhooks: list[Webhook] | None = None
    """Who is told of it, as given at the start; null if nobody is."""
    created_at: Time | None = None
    """When it was asked for; null where nobody can say now."""
    started_at: Time | None = None
    """When it began: after its time had come, and it held its thread."""
    ended_at: Time | None = None
    """When it ended; null before, and for a run that was killed."""
    engine: Engine | None = None
    """What holds it up, while it goes on; null where that can't be asked."""
    trace_id: str | None = None
    """The trace that it belongs to. Only with `engine=true`."""
    steered: bool = False
    """This run took the input of the request; no new one was started."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self.status in ENDED


class RunPage(Public):
    """A page of runs, newest first."""

    items: list[Run]
    """The runs, without their messages."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""
