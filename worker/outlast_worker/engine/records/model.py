"""What comes of a model's calls."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from outlast.protocol import RunError, Time, Usage
from outlast_worker.engine.records.record import Record, fault_of_ours

PAUSED = "pause"
"""The finish reason of an answer that is to be asked for the rest of."""


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
        fault = fault_of_ours("The model call failed in the worker", error)
        return cls(error=fault, retry_after_s=None, started_at=at, ended_at=at)


class Forgotten(Record):
    """The model was not asked: this process does not remember what was said on the thread before.

    Another one did, or it did itself until it needed the room.
    """

    kind: Literal["forgotten"] = "forgotten"


ModelOutcome = Annotated[ModelRecord | ModelFault | Forgotten, Field(discriminator="kind")]


class OutputCheck(Record):
    """What an answer came to: the parsed output, or what is wrong with it."""

    at: Time
    output: JsonValue = None
    faults: list[str] | None = None
