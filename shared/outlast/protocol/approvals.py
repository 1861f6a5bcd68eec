"""Tool calls that wait for a person, and how that ends."""

from typing import Annotated, Any, Literal, Protocol

from pydantic import JsonValue, PlainSerializer, SerializationInfo, field_serializer
from pydantic.json_schema import SkipJsonSchema

from outlast.protocol.wire import AMONG_PROCESSES, OrNewer, Public, Time


class Decider(Public):
    """Who decided: as the server knows it, and as the decision says."""

    key: str | None = None
    """The name of the key that the decision came with; null where there are no keys."""
    said: str | None = None
    """What the client said of who decides. Nobody has checked it."""

    def __str__(self) -> str:
        """Say who it was, for a person."""
        key = f"the key {self.key}" if self.key else ""
        return f"{self.said} ({key})" if self.said and key else self.said or key


def _write(by: Any, info: SerializationInfo) -> Any:
    return Decider(said=by) if isinstance(by, str) and info.context is not AMONG_PROCESSES else by


_By = Decider | SkipJsonSchema[str] | None
By = Annotated[_By, PlainSerializer(_write, return_type=_By, when_used="json")]
"""Who decided. Without a key it is kept as the text that the client said, since older versions
know no more, and replays compare what is written. Clients always get an object."""


class _OfCall(Protocol):
    call_id: str


def _write_id(self: _OfCall, approval_id: str | None) -> str:
    return approval_id or self.call_id


WRITTEN_ID = field_serializer("approval_id", when_used="json")(_write_id)
"""Clients are told an `approval_id` in any case. Between processes it is left out where it is the
`call_id`, which is all that older ones know."""


class Resolution(Public):
    """How an approval ended."""

    call_id: str
    """The call that was decided on."""
    approval_id: str | None = None
    """The approval that this ends."""
    action: Annotated[Literal["approve", "reject", "expired"], OrNewer]
    """What was decided; `expired` if nobody did in time, which counts as a rejection."""
    by: By = None
    """Who decided; null if nothing is known of them."""
    at: Time
    """When it was decided."""
    reason: str | None = None
    """Why, in the words of whoever decided. The model is told of it."""
    arguments: dict[str, JsonValue] | None = None
    """Those that a person put in place of the model's; null if the model's were approved."""

    _written_id = WRITTEN_ID

    @property
    def id(self) -> str:
        """The approval's id within its run."""
        return self.approval_id or self.call_id


class Approval(Public):
    """A tool call that waits, or waited, for a person."""

    call_id: str
    """Names the call within its run."""
    approval_id: str | None = None
    """Names the approval within its run: the decision is sent to its address."""
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

    _written_id = WRITTEN_ID

    @property
    def id(self) -> str:
        """Its id within its run."""
        return self.approval_id or self.call_id


class PendingApproval(Approval):
    """An approval that waits, and where."""

    run_id: str
    """The run that waits."""
    agent: str
    """The run's agent."""
    thread_id: str | None = None
    """The thread that the run is on, if any."""
    input_preview: str | None = None
    """What the run was asked, as in its `input_preview`."""


class ApprovalPage(Public):
    """A page of approvals, newest first."""

    items: list[PendingApproval]
    """The approvals."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""
