"""The wire models of the HTTP interface, which the worker also keeps in a run's state.

Frozen, and closed to unknown fields. Times are UTC; `_s` and `_ms` are durations.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import from_json

from outlast.names import THREAD_ID


def _as_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(_as_utc)]
ThreadId = Annotated[str, StringConstraints(pattern=f"^{THREAD_ID}$")]

RunStatus = Literal[
    "queued", "running", "waiting", "paused", "completed", "incomplete", "failed", "cancelled"
]
ENDED: frozenset[RunStatus] = frozenset({"completed", "incomplete", "failed", "cancelled"})

IncompleteReason = Literal["max_turns", "output_length", "content_filter"]
RunErrorType = Literal[
    "model-auth",
    "model-not-found",
    "model-rejected",
    "context-too-long",
    "content-policy",
    "model-unavailable",
    "model-malformed",
    "definition-missing",
    "killed",
    "internal",
]

OnBusy = Literal["enqueue", "reject", "interrupt", "steer"]

_ENVELOPES = 20
MAX_DELAY_S = 365 * 24 * 3600


def check_json(value: Any) -> None:
    """Refuse what Python reads as JSON and others don't; and what is nested too deeply to be kept.

    Raises:
        ValueError: With the reason.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text has half a Unicode character, a lone surrogate") from error
    except (RecursionError, ValueError) as error:
        raise ValueError(f"no JSON: {error}") from error
    # The value is kept inside of others, and read again by pydantic, which has a limit of depth.
    from_json(b"[" * _ENVELOPES + text + b"]" * _ENVELOPES)


class Wire(BaseModel):
    """Base of everything that goes over the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TextPart(Wire):
    type: Literal["text"] = "text"
    text: str


class ImagePart(Wire):
    """An image, by address (`https:`, `http:`) or inline (`data:image/…`)."""

    type: Literal["image"] = "image"
    url: str


class FilePart(Wire):
    """A document, inline as a `data:` URL."""

    type: Literal["file"] = "file"
    url: str
    name: str | None = None


Part = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]
Content = str | list[Part]


class InputMessage(Wire):
    """A message as the caller sends it."""

    role: Literal["user", "assistant"]
    content: Content


def _end_with_the_user(value: str | list[InputMessage]) -> str | list[InputMessage]:
    if isinstance(value, list) and value[-1].role != "user":
        raise ValueError("the last message must have the role user")
    return value


Input = Annotated[
    str | Annotated[list[InputMessage], Field(min_length=1)], AfterValidator(_end_with_the_user)
]


class Limits(Wire):
    """Where a run stops and ends as `incomplete`."""

    max_turns: int | None = Field(default=None, ge=1, le=1000)


class StartRun(Wire):
    """The body of `POST /agents/{agent}/runs`."""

    input: Input
    thread_id: ThreadId | None = None
    on_busy: OnBusy | None = Field(
        default=None,
        description="While another run holds the thread: wait in line (`enqueue`, the "
        "default), start no run (`reject`), cancel that run and go next (`interrupt`), or hand "
        "the input to that run (`steer`).",
    )
    stream: bool | None = Field(
        default=None,
        description="Whether the model is streamed; by default not for a plain start.",
    )
    context: dict[str, JsonValue] = Field(
        default_factory=dict, description="Names for the instructions' `{{…}}`, and for tools."
    )
    metadata: dict[str, str] = Field(default_factory=dict, description="Kept with the run.")
    limits: Limits = Limits()
    after_s: float = Field(default=0, ge=0, le=MAX_DELAY_S, description="Start the run this late.")

    # A field's check sees the fields above it, and only those that are valid.
    @field_validator("on_busy")
    @classmethod
    def _needs_a_thread(cls, on_busy: OnBusy | None, others: ValidationInfo) -> OnBusy | None:
        if on_busy and others.data.get("thread_id", "") is None:
            raise ValueError("on_busy needs a thread_id: without a thread nothing can be busy")
        return on_busy

    @field_validator("after_s")
    @classmethod
    def _is_not_decided_at_once(cls, after_s: float, others: ValidationInfo) -> float:
        on_busy = others.data.get("on_busy")
        if after_s and on_busy in ("reject", "steer"):
            raise ValueError(f"on_busy {on_busy} is decided at once: leave out after_s")
        return after_s

    @model_validator(mode="after")
    def _fits(self) -> "StartRun":
        check_json(self.model_dump())
        return self


class SteerRun(Wire):
    """The body of `POST /runs/{run_id}/messages`."""

    input: Input

    @model_validator(mode="after")
    def _fits(self) -> "SteerRun":
        check_json(self.model_dump())
        return self


class Steered(Wire):
    """The run has the message, and reads it before its next model call."""

    message_id: str


class Decision(Wire):
    """The body of `POST /runs/{run_id}/approvals/{call_id}`."""

    action: Literal["approve", "reject"]
    arguments: dict[str, JsonValue] | None = Field(
        default=None, description="Approve the call with these arguments instead of the model's."
    )
    reason: str | None = Field(default=None, description="For the model, and for the record.")
    by: str | None = Field(default=None, description="Who decides.")

    @field_validator("arguments")
    @classmethod
    def _goes_with_approve(
        cls, arguments: dict[str, JsonValue] | None, others: ValidationInfo
    ) -> dict[str, JsonValue] | None:
        if arguments is not None and others.data.get("action") == "reject":
            raise ValueError("arguments go with approve; a rejected call does not run")
        return arguments

    @model_validator(mode="after")
    def _fits(self) -> "Decision":
        check_json(self.model_dump())
        return self


class Resolution(Wire):
    """How an approval ended. `arguments` are those that a person put in place of the model's."""

    call_id: str
    action: Literal["approve", "reject", "expired"]
    by: str | None = None
    at: Time
    reason: str | None = None
    arguments: dict[str, JsonValue] | None = None


class Approval(Wire):
    """A tool call that waits, or waited, for a person."""

    call_id: str
    name: str
    arguments: dict[str, JsonValue]
    reason: Literal["approval"] = "approval"
    requested_at: Time
    expires_at: Time | None = None
    resolution: Resolution | None = None


class ToolCall(Wire):
    """What the model asked for. `call_id` is `{turn}.{index}`, never the provider's."""

    call_id: str
    name: str
    arguments: dict[str, JsonValue]


class Message(Wire):
    """One message of a run or a thread."""

    id: str
    role: Literal["user", "assistant", "tool"]
    content: Content
    tool_calls: list[ToolCall] | None = None
    call_id: str | None = None
    is_error: bool | None = None
    approval: Resolution | None = Field(default=None, description="Who decided on the call.")
    agent: str | None = None
    run_id: str
    created_at: Time


class Usage(Wire):
    """What a run used so far. `cost_usd` is null as soon as one price is unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    cost_usd: float | None = 0.0

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


class RunError(Wire):
    """Why a run failed."""

    type: RunErrorType
    message: str
    retryable: bool


class Engine(Wire):
    """What holds up a run that has not ended: at Restate, or else at the model."""

    attempts: int
    last_failure: str | None
    next_retry_at: Time | None


class Run(Wire):
    """One shape for a run, everywhere. Lists and events leave out `messages`."""

    run_id: str
    agent: str
    thread_id: str | None = None
    status: RunStatus
    waiting_for: Literal["approval", "timer"] | None = None
    turn: int = 0
    output: JsonValue = None
    messages: list[Message] | None = Field(
        default=None,
        description="What was said so far; null in lists and events, and where a run goes on and "
        "no worker answers.",
    )
    usage: Usage = Usage()
    approvals: list[Approval] = Field(default_factory=list[Approval])
    error: RunError | None = None
    incomplete_reason: IncompleteReason | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    created_at: Time | None = None
    started_at: Time | None = None
    ended_at: Time | None = None
    engine: Engine | None = None
    steered: bool = Field(
        default=False, description="This run took the message; no new one was started."
    )

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in this run."""
        return self.status in ENDED


class RunPage(Wire):
    items: list[Run]
    next_cursor: str | None = None


class PendingApproval(Approval):
    """An approval that waits, and where."""

    run_id: str
    agent: str
    thread_id: str | None = None


class ApprovalPage(Wire):
    items: list[PendingApproval]
    next_cursor: str | None = None


class Thread(Wire):
    """One conversation."""

    thread_id: str
    status: Literal["idle", "busy"]
    run_id: str | None = Field(description="The run that holds the thread.")
    queued: list[str] = Field(description="Runs that wait for the thread, next one first.")
    message_count: int
    created_at: Time
    updated_at: Time


class ThreadPage(Wire):
    items: list[Thread]
    next_cursor: str | None = None


class MessagePage(Wire):
    items: list[Message]
    next_cursor: str | None = None


class ToolDescription(Wire):
    name: str
    description: str
    parameters: dict[str, JsonValue]
    effect: str
    timeout_s: float
    retries: int
    needs_approval: bool | Literal["sometimes"] = Field(
        description="Whether a person must approve a call; sometimes: it depends on the call."
    )
    approval_timeout_s: float | None


class AgentDescription(Wire):
    """What an agent is, as both processes know it."""

    name: str
    description: str | None
    model: str
    instructions: str
    context: list[str] = Field(description="The names that a run's context must have.")
    limits: Limits
    tools: list[ToolDescription]
    digest: str


class AgentPage(Wire):
    items: list[AgentDescription]
    next_cursor: str | None = None


class Health(Wire):
    status: Literal["ok"] = "ok"


class Readiness(Wire):
    """`drift` names the agents whose definition differs between app and worker."""

    status: Literal["ready"] = "ready"
    drift: list[str] = []


class ProblemDocument(BaseModel):
    """RFC 9457. `type` is a stable short name."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
