"""An agent's definition, as a run keeps it to its end or until another agent takes it over."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from outlast.compaction import Compaction
from outlast.effects import Effect
from outlast.protocol import (
    Limits,
    ModelSettings,
    OnLimit,
    RunError,
    Time,
    ToolChoice,
    ToolErrorType,
)
from outlast_worker.engine.records.record import Record, fault_of_ours

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

    @property
    def approval_timeout(self) -> timedelta | None:
        """For how long a person is waited for; None for as long as it takes."""
        return timedelta(seconds=self.approval_timeout_s) if self.approval_timeout_s else None


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
    hooks: list[PinnedHook] | None = None

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
        fault = fault_of_ours("The worker could not read the agent's definition", error)
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
