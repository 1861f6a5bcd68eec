"""What comes of a tool call: whether it may run, what people decide on it, its result."""

from datetime import timedelta
from typing import Literal

from pydantic import JsonValue

from outlast.protocol import Content, Part, Resolution, Time, ToolErrorType
from outlast.trace import Trace
from outlast_worker.engine.records.record import Record


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


UNFINISHED = (
    "The run was stopped before this call finished. It may have run, in whole or in part; a plain "
    "function may still be running."
)


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
