"""What a run journals: small records of our own, so that no library's upgrade changes a journal.

Raise `JOURNAL_VERSION` when a record's meaning, or the order or the names of steps, changes.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from outlast.compaction import Compaction
from outlast.effects import Effect
from outlast.protocol import (
    Content,
    InputMessage,
    Limits,
    Message,
    ModelSettings,
    OnLimit,
    Part,
    Resolution,
    RunError,
    Time,
    ToolChoice,
    ToolErrorType,
    Usage,
)
from outlast.trace import Trace

JOURNAL_VERSION = 8


PAUSED = "pause"
"""The finish reason of an answer that is to be asked for the rest of."""


class Record(BaseModel):
    """Base of everything journaled."""

    model_config = ConfigDict(frozen=True)


ToolKind = Literal["function", "once", "client", "agent", "durable", "built_in", "handoff"]
"""How calls of a tool are carried out: a kind is a file in `engine/calls/`."""


class PinnedChild(Record):
    """An agent that is called, and what its runs get from the calling one."""

    agent: str
    own_thread: bool
    gets_context: bool
    is_sticky: bool | None = None


class PinnedTool(Record):
    """A tool as the model is told of it, and how its calls are carried out."""

    name: str
    description: str
    parameters: dict[str, JsonValue]
    kind: ToolKind = "function"
    may_need_approval: bool = False
    approval_timeout_s: float | None = None
    timeout_s: float | None = None
    verifies: bool = False
    effect: Effect = "idempotent"
    """Of a server's tool."""
    server: str | None = None
    """The MCP server that has it; None for the agent's own."""
    server_tool: str | None = None
    """What it is called there."""
    child: PinnedChild | None = None
    signals: list[str] | None = None
    """What may be sent to a call of a durable tool."""
    deferred: bool | None = None
    """Whether the model is told of it only when it has found it by a search."""
    skills: dict[str, str] | None = None
    """Of the tool that reads skills: their digests, by name."""
    hands_over_to: str | None = None
    """The agent that takes the run over by a call."""


HookPoint = Literal["before_model", "after_model", "before_tool", "after_tool", "on_end"]


class PinnedHook(Record):
    """A hook by name: the worker that calls it has its function."""

    point: HookPoint
    name: str


class PinnedOutput(Record):
    """What the answer has to be: `shape` is a JSON Schema, of an object."""

    shape: dict[str, JsonValue]
    is_wrapped: bool
    retries: int


class OutputCheck(Record):
    """What an answer came to: the parsed output, or what is wrong with it."""

    at: Time
    output: JsonValue = None
    faults: list[str] | None = None


class CallPrice(Record):
    """What a model's tokens cost at most, in US dollars for a million of them."""

    input: float
    output: float


class PinnedCompaction(Record):
    """How prompts stay within a model's window.

    Attributes:
        at: The part of a window at which they are made shorter.
        windows: How many tokens models can read, as far as that is known.
        model: The one that sums up; None for the one that runs.
    """

    how: Compaction
    at: float
    windows: dict[str, int]
    model: str | None = None


class Pin(Record):
    """The agent's definition for the whole of one run, or for as long as that agent has it.

    Attributes:
        agent: Who took the run over; null for the agent that was asked.
        first_turn: The agent's first one, if it took the run over.
    """

    kind: Literal["pin"] = "pin"
    at: Time
    agent: str | None = None
    first_turn: int | None = None
    digest: str
    instructions: str
    model: str
    model_settings: ModelSettings = ModelSettings()
    tools: list[PinnedTool]
    limits: Limits
    on_limit: OnLimit | None = None
    model_retry_for_s: float
    fallbacks: list[str] = Field(default_factory=list[str])
    fallback_after_s: float = 30
    fallback_on_refusal: bool = False
    keep_reasoning: bool | None = None
    tool_choice: ToolChoice | None = None
    """Of the first turn alone: with `required` in each of them the run would never answer."""
    output: PinnedOutput | None = None
    prices: dict[str, CallPrice] | None = None
    """Of its models, in a run whose cost one above it limits."""
    compaction: PinnedCompaction | None = None

    @property
    def models(self) -> list[str]:
        """The models that may answer, in the order in which they are asked."""
        return list(dict.fromkeys([self.model, *self.fallbacks]))

    @property
    def all_models(self) -> list[str]:
        """Those, and the one that sums up."""
        sums_up = self.compaction and self.compaction.model
        return list(dict.fromkeys(filter(None, [*self.models, sums_up])))

    def settings_in(self, turn: int) -> ModelSettings:
        """Return how a model is asked in a turn."""
        own_turn = turn - (self.first_turn or 1) + 1
        if own_turn == 1:
            return self.model_settings.override({"tool_choice": self.tool_choice})
        return self.model_settings.in_turn(own_turn)

    hooks: list[PinnedHook] | None = None

    def hooks_at(self, point: HookPoint) -> list[PinnedHook]:
        """Return the hooks that are called at a point, in their order."""
        return [hook for hook in self.hooks or () if hook.point == point]


class PinFailure(Record):
    """There is no definition for the run, or it does not fit."""

    kind: Literal["failure"] = "failure"
    at: Time
    error: RunError
    retry_for_s: float | None = None
    """How long it is tried again, where that may help."""

    @classmethod
    def cancelled(cls, at: Time) -> "PinFailure":
        """Return what a pin ends with that a cancellation broke off."""
        message = "The run was cancelled before it began."
        return cls(at=at, error=RunError(type="internal", message=message, retryable=True))

    @classmethod
    def crashed(cls, error: Exception, at: Time) -> "PinFailure":
        """Return what a pin ends with by a fault of ours."""
        fault = _fault_of_ours("The worker could not read the agent's definition", error)
        return cls(at=at, error=fault)


PinOutcome = Annotated[Pin | PinFailure, Field(discriminator="kind")]


class HandoffRefused(Record):
    """What was said of a handoff does not fit, or nobody is there to take the run over.

    `told` says it to the model where clients see less.
    """

    kind: Literal["refused"] = "refused"
    at: Time
    fault: str
    error_type: ToolErrorType
    told: str | None = None


HandoffOutcome = Annotated[Pin | PinFailure | HandoffRefused, Field(discriminator="kind")]


class Opaque(Record):
    """What only one provider understands, to be sent back to it: reasoning, signatures, ids."""

    provider: str
    fields: dict[str, Any] = Field(default_factory=dict)
    call_ids: list[str | None] = Field(default_factory=list[str | None])
    call_fields: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


class RequestedCall(Record):
    """A tool call as the model wrote it."""

    name: str
    arguments: str


class ModelRecord(Record):
    """A model's whole answer. `first_token_ms` is None where it was not streamed."""

    kind: Literal["answer"] = "answer"
    text: str
    calls: list[RequestedCall]
    finish_reason: str
    usage: Usage
    model: str
    started_at: Time
    ended_at: Time
    first_token_ms: int | None = None
    reasoning: str | None = None
    opaque: Opaque | None = None
    estimated_tokens: int | None = None
    """About how long the prompt was, where the provider has not counted it."""

    @property
    def conversation_tokens(self) -> int | None:
        """About how long the conversation is with this answer; None if that is not known."""
        read = self.usage.input_tokens or self.estimated_tokens
        said = self.usage.output_tokens - self.usage.reasoning_tokens
        return read + max(said, 0) if read else None


class ModelFault(Record):
    """A model call that gave no answer. `retry_after_s` is None when retrying can't help."""

    kind: Literal["fault"] = "fault"
    error: RunError
    retry_after_s: float | None = None
    started_at: Time
    ended_at: Time

    @classmethod
    def cancelled(cls, at: Time) -> "ModelFault":
        """Return what a call ends with that a cancellation broke off."""
        error = RunError(type="internal", message="The model call was broken off.", retryable=True)
        return cls(error=error, retry_after_s=1, started_at=at, ended_at=at)

    @classmethod
    def crashed(cls, error: Exception, at: Time) -> "ModelFault":
        """Return what a call ends with that no fault of a provider's explains."""
        fault = _fault_of_ours("The model call failed in the worker", error)
        return cls(error=fault, retry_after_s=None, started_at=at, ended_at=at)


class Forgotten(Record):
    """The model was not asked: this process does not remember what was said on the thread before.

    Another one did, or it did itself until it needed the room.
    """

    kind: Literal["forgotten"] = "forgotten"


ModelOutcome = Annotated[ModelRecord | ModelFault | Forgotten, Field(discriminator="kind")]


class HookRecord(Record):
    """What a hook returned, and nothing that it left as it was.

    Attributes:
        verdict: None if the hook let it pass, perhaps changed.
        text: The reason of a verdict, or what is said or answered instead; why the hook failed.
        texts: What models read from now on, by the message's id.
        calls: Those of the answer that are left.
    """

    verdict: Literal["refuse", "ask_person", "instead", "ask_again", "failed"] | None = None
    at: Time
    text: str | None = None
    instructions: str | None = None
    texts: dict[str, str] | None = None
    calls: list[RequestedCall] | None = None
    arguments: dict[str, JsonValue] | None = None
    output: str | None = None
    is_error: bool | None = None
    error_type: ToolErrorType | None = None
    told: str | None = None

    @classmethod
    def failed(cls, why: str, at: Time) -> "HookRecord":
        """Return what fails the run."""
        return cls(verdict="failed", text=why, at=at)


class ApprovalCheck(Record):
    """Whether a call has to wait for a person.

    `refused`: it can't be checked, and so is not run at all; `reason` says why, and `told` says it
    to the model where clients see less.
    """

    outcome: Literal["needed", "not_needed", "refused"]
    at: Time
    reason: str | None = None
    told: str | None = None
    error_type: ToolErrorType | None = None


class KeptResolution(Resolution):
    """How an approval ended, with what is not for clients: the trace of who decided."""

    trace: Trace | None = None

    @classmethod
    def of(cls, resolution: Resolution) -> "KeptResolution":
        """Return it as it is kept."""
        fields = {name: getattr(resolution, name) for name in Resolution.model_fields}
        return cls(**fields)


UNFINISHED = (
    "The run was stopped before this call finished. It may have run, in whole or in part; a plain "
    "function may still be running."
)


class ServerQuestion(Record):
    """What an MCP server asks people for: to fill in a form, or to do something at an address.

    `key` tells it apart from others of the same call.
    """

    key: str
    message: str
    content_schema: dict[str, JsonValue] | None = None
    url: str | None = None


HELD_FOR = timedelta(minutes=15)
"""How long a process keeps a call open at most while people think: from then on it has ended."""


class ServerAsks(Record):
    """Where a call of an MCP server's tool stands that needs answers of people to go on.

    `state` is what the server wants back with them. `held` names the call in the process that
    keeps it open, for as long as that can; without it the server has let go of the call, too.
    """

    questions: list[ServerQuestion]
    state: str | None = None
    held: str | None = None


class ToolRecord(Record):
    """What came of a tool call: a result, or an error text that the model can act on.

    `told` is for the model in place of `output`, where clients see less: the text of an exception
    may hold what is not for them. With `asks` the call goes on once people have answered.
    """

    output: str
    is_error: bool
    started_at: Time
    ended_at: Time
    told: str | None = None
    error_type: ToolErrorType | None = None
    parts: list[Part] | None = None
    """The output with its images and documents, if it has any."""
    asks: ServerAsks | None = None

    @property
    def content(self) -> Content:
        """What the conversation has of it."""
        return self.parts or self.output

    @classmethod
    def cancelled(cls, at: Time) -> "ToolRecord":
        """Return what a call ends with that a cancellation broke off."""
        return cls.failed(UNFINISHED, "stopped", at)

    @classmethod
    def crashed(cls, error: Exception, at: Time) -> "ToolRecord":
        """Return what a call ends with whose record can't be made or kept."""
        text = f"The call failed in the worker: {type(error).__name__}. It may have run."
        return cls.failed(text, "internal", at)

    @classmethod
    def failed(
        cls, text: str, error_type: ToolErrorType, at: Time, told: str | None = None
    ) -> "ToolRecord":
        """Return what a call comes to that took no time."""
        return cls(
            output=text,
            is_error=True,
            started_at=at,
            ended_at=at,
            told=told,
            error_type=error_type,
        )

    @property
    def duration_ms(self) -> int:
        """How long the call took, retries included."""
        return round((self.ended_at - self.started_at).total_seconds() * 1000)


class ChildInput(Record):
    """What an agent is asked; without a `text` it is not called, and `fault` says why.

    `told` says it to the model where clients see less.
    """

    at: Time
    text: str | None = None
    fault: str | None = None
    told: str | None = None
    error_type: ToolErrorType | None = None


class EffectClaim(Record):
    """One process's claim to a `once` call. Only that process begins it, and only under this claim.

    `claim_id` is null where the claim could not be made: then nothing begins it. `arguments_hash`
    tells with which arguments it runs.
    """

    claim_id: str | None = None
    at: Time
    arguments_hash: str = ""


class EffectOutcome(Record):
    """What came of a claimed call.

    `done`: it ran to its end, well or not · `not_begun`: it did not run, and will not under this
    claim · `in_doubt`: nobody here knows; `why` says how that came.
    """

    outcome: Literal["done", "not_begun", "in_doubt"]
    at: Time
    record: ToolRecord | None = None
    why: str | None = None


class EffectVerdict(Record):
    """What `verify` found out about a call in doubt."""

    outcome: Literal["done", "not_done", "unknown"]
    at: Time
    record: ToolRecord | None = None


class DurableReport(Record):
    """What a durable call tells its run: that it waits, for what and how long, or goes on."""

    at: Time
    waits: Literal["signal", "timer"] | None = None
    signal: str | None = None
    until: Time | None = None


def rest_of(said: InputMessage) -> dict[str, Any]:
    """Return what a caller's message has beside its role, its text and its id."""
    return said.model_dump(include={"tool_calls", "call_id", "is_error"})


class StoredMessage(Message):
    """A message with what is not for clients.

    `opaque` is what its provider wants back. `told` is what the model reads in place of the
    content, as in `ToolRecord`. `stands_for` is how many messages this one takes the place of: it
    was said by nobody.
    """

    opaque: Opaque | None = None
    told: str | None = None
    stands_for: int | None = None

    @property
    def read(self) -> Content:
        """What the model reads."""
        return self.content if self.told is None else self.told

    def public(self) -> Message:
        """Return the message as clients see it."""
        return Message(**{name: getattr(self, name) for name in Message.model_fields})


class StandIn(Record):
    """A message that models read in place of the first messages of a conversation.

    Attributes:
        covers: How many those are.
        lasts: Whether later runs read it, too; not if something of those messages is in no summary.
    """

    how: Compaction
    message: StoredMessage
    covers: int
    lasts: bool = True

    def apply(self, said: Sequence[StoredMessage]) -> list[StoredMessage]:
        """Return what models read of a conversation."""
        return [self.message, *said[self.covers :]]


class Cut(Record):
    """Up to where a prompt is left out, and what stands there in place of it.

    Attributes:
        covers: How many messages of the whole conversation, from the first; 0 if none.
        left_out: How many of those the prompt still had.
        tokens_before: About how long it was, by the length of its texts.
        tokens_after: The same with what stands there now.
        model: The one that has summed up, if one has.
    """

    kind: Literal["cut"] = "cut"
    covers: int
    left_out: int
    text: str
    tokens_before: int
    tokens_after: int
    model: str | None = None
    usage: Usage | None = None
    started_at: Time
    ended_at: Time


CutOutcome = Annotated[Cut | ModelFault | Forgotten, Field(discriminator="kind")]


class ForkSource(Record):
    """What a fork goes on from; no history if that is not there any more.

    `pin` is the definition that the other run has kept, if it has one, and `stand_in` what its
    models have read in place of the first messages.
    """

    history: list[StoredMessage] | None = None
    stand_in: StandIn | None = None
    pin: Pin | None = None


def _fault_of_ours(what: str, error: Exception) -> RunError:
    message = f"{what}: {type(error).__name__}. Its log says more."
    return RunError(type="internal", message=message, retryable=False)
