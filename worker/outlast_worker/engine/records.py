"""What a run journals: small records of our own, so that no library's upgrade changes a journal.

Raise `JOURNAL_VERSION` when a record's meaning, or the order or the names of steps, changes.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from outlast.protocol import Message, RunError, Time, Usage

JOURNAL_VERSION = 3


class Record(BaseModel):
    """Base of everything journaled."""

    model_config = ConfigDict(frozen=True)


class PinnedTool(Record):
    """A tool as the model is told of it, and whether a person may have to approve its calls."""

    name: str
    description: str
    parameters: dict[str, JsonValue]
    may_need_approval: bool = False
    approval_timeout_s: float | None = None


class Pin(Record):
    """The agent's definition for the whole of one run."""

    kind: Literal["pin"] = "pin"
    at: Time
    digest: str
    instructions: str
    model: str
    model_options: dict[str, JsonValue]
    tools: list[PinnedTool]
    max_turns: int
    model_retry_for_s: float


class PinFailure(Record):
    """The worker's definition does not fit the run."""

    kind: Literal["failure"] = "failure"
    at: Time
    error: RunError


PinOutcome = Annotated[Pin | PinFailure, Field(discriminator="kind")]


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
    """A model's whole answer."""

    kind: Literal["answer"] = "answer"
    text: str
    calls: list[RequestedCall]
    finish_reason: str
    usage: Usage
    model: str
    started_at: Time
    ended_at: Time
    opaque: Opaque | None = None


class ModelFault(Record):
    """A model call that gave no answer. `retry_after_s` is None when retrying can't help."""

    kind: Literal["fault"] = "fault"
    error: RunError
    retry_after_s: float | None
    started_at: Time
    ended_at: Time


ModelOutcome = Annotated[ModelRecord | ModelFault, Field(discriminator="kind")]


class ApprovalCheck(Record):
    """Whether a call has to wait for a person."""

    needed: bool
    at: Time


class ToolRecord(Record):
    """What came of a tool call: a result, or an error text that the model can act on."""

    output: str
    is_error: bool
    started_at: Time
    ended_at: Time

    @property
    def duration_ms(self) -> int:
        """How long the call took, retries included."""
        return round((self.ended_at - self.started_at).total_seconds() * 1000)


STOPPED = (
    "The run was stopped before this call finished. It may have run, in whole or in part; a plain "
    "function may still be running."
)


def aborted_call() -> ModelFault:
    """Return what a model call ends with that a cancellation broke off."""
    at = datetime.now(UTC)
    error = RunError(type="internal", message="The model call was broken off.", retryable=True)
    return ModelFault(error=error, retry_after_s=1, started_at=at, ended_at=at)


def broken_call(error: Exception) -> ModelFault:
    """Return what a model call ends with that no fault of a provider's explains."""
    at = datetime.now(UTC)
    message = f"The model call failed in the worker: {type(error).__name__}. Its log says more."
    fault = RunError(type="internal", message=message, retryable=False)
    return ModelFault(error=fault, retry_after_s=None, started_at=at, ended_at=at)


def broken_tool(error: Exception) -> ToolRecord:
    """Return what a tool call ends with whose record can't be made or kept."""
    at = datetime.now(UTC)
    text = f"The call failed in the worker: {type(error).__name__}. It may have run."
    return ToolRecord(output=text, is_error=True, started_at=at, ended_at=at)


def stopped_call() -> ToolRecord:
    """Return what a tool call ends with that a cancellation broke off."""
    at = datetime.now(UTC)
    return ToolRecord(output=STOPPED, is_error=True, started_at=at, ended_at=at)


def unchecked_call() -> ApprovalCheck:
    """Return what a check ends with that a cancellation broke off: nothing runs any more."""
    return ApprovalCheck(needed=True, at=datetime.now(UTC))


class StoredMessage(Message):
    """A message with what its provider wants back."""

    opaque: Opaque | None = None

    def public(self) -> Message:
        """Return the message as clients see it."""
        return Message(**{name: getattr(self, name) for name in Message.model_fields})
