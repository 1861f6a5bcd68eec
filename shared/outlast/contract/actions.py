"""What is said to a run that is going on, and what becomes of it."""

from typing import Literal

from pydantic import Field, JsonValue

from outlast.protocol import (
    Awaited,
    By,
    CallAnswer,
    Content,
    Decision,
    InputMessage,
    Resolution,
    Time,
    Wire,
)
from outlast.trace import Trace


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


class FieldFault(Wire):
    """What is wrong with one field of a request."""

    field: str
    message: str


class DecideAnswer(Wire):
    """`resolution` is what counts: this decision, the same one before it, or another one."""

    outcome: Literal["decided", "unknown", "ended", "conflict", "invalid"]
    resolution: Resolution | None = None
    faults: list[FieldFault] = Field(default_factory=list[FieldFault])


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


class WaitReport(Wire):
    """What a run tells the run that has called it: for what it waits, or that it goes on.

    `index` counts the reports of one call. `approvals` and `calls` are as in `run.waiting`; with
    neither of them the run goes on. `holds_up_line` is set where it is taken: whether those that
    the same run has called, and that are in line for the same thread, wait with it.
    """

    call_id: str
    index: int
    at: Time
    approvals: list[Awaited] = Field(default_factory=list[Awaited])
    calls: list[Awaited] = Field(default_factory=list[Awaited])
    holds_up_line: bool | None = None


class RedeliverOrder(Wire):
    """A webhook's event that is to be delivered again: `id` names it."""

    id: str
    at: Time
