"""Tool calls that wait for a person, and how that ends."""

from typing import Annotated, Literal

from pydantic import JsonValue

from outlast.protocol.wire import OrNewer, Public, Time


class Resolution(Public):
    """How an approval ended."""

    call_id: str
    """The call that was decided on."""
    action: Annotated[Literal["approve", "reject", "expired"], OrNewer]
    """What was decided; `expired` if nobody did in time, which counts as a rejection."""
    by: str | None = None
    """Who decided, as far as the decision says."""
    at: Time
    """When it was decided."""
    reason: str | None = None
    """Why, in the words of whoever decided. The model is told of it."""
    arguments: dict[str, JsonValue] | None = None
    """Those that a person put in place of the model's; null if the model's were approved."""


class Approval(Public):
    """A tool call that waits, or waited, for a person."""

    call_id: str
    """Names the call within its run: the decision is sent to its address."""
    name: str
    """The tool."""
    arguments: dict[str, JsonValue]
    """What the model wants to pass."""
    reason: Annotated[Literal["approval"], OrNewer] = "approval"
    """Why a person is asked: the tool needs an approval."""
    requested_at: Time
    """Since when the call waits."""
    expires_at: Time | None = None
    """When it is given up and counts as rejected; null if it waits for as long as it takes."""
    resolution: Resolution | None = None
    """How it ended; null while it waits."""


class PendingApproval(Approval):
    """An approval that waits, and where."""

    run_id: str
    """The run that waits."""
    agent: str
    """The run's agent."""
    thread_id: str | None = None
    """The thread that the run is on, if any."""


class ApprovalPage(Public):
    """A page of approvals, newest first."""

    items: list[PendingApproval]
    """The approvals."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""
