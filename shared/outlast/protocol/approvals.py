"""What waits for a person, and how that ends."""

from typing import Annotated, Any, Literal, Protocol

from pydantic import JsonValue, PlainSerializer, SerializationInfo, field_serializer
from pydantic.json_schema import SkipJsonSchema

from outlast.protocol.decisions import Action
from outlast.protocol.limits import Limits
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


class _Named(Protocol):
    call_id: str | None


def _write_approval_id(self: _Named, approval_id: str | None) -> str | None:
    return approval_id or self.call_id


WRITTEN_ID = field_serializer("approval_id", when_used="json")(_write_approval_id)
"""Clients are told an `approval_id` in any case. Between processes it is left out where it is the
`call_id`, which is all that older ones know."""


def _write_call_id(call_id: str | None, info: SerializationInfo) -> str | None:
    is_of_a_call = call_id is not None and "." in call_id
    return call_id if is_of_a_call or info.context is AMONG_PROCESSES else None


CallId = Annotated[
    str | None, PlainSerializer(_write_call_id, return_type=str | None, when_used="json")
]
"""Names a call within its run. What is about no call (a limit) has none for clients; between
processes it has its own id there, since older ones need a text."""

Reason = Annotated[Literal["approval", "in_doubt", "limit", "input"], OrNewer]


class Resolution(Public):
    """How an approval ended."""

    call_id: CallId = None
    """The call that was decided on; null for a limit."""
    approval_id: str | None = None
    """The approval that this ends."""
    action: Annotated[Action | Literal["expired"], OrNewer]
    """What was decided; `expired` if nobody did in time, which counts as the refusal."""
    by: By = None
    """Who decided; null if nothing is known of them."""
    at: Time
    """When it was decided."""
    reason: str | None = None
    """Why, in the words of whoever decided. The model is told of it."""
    arguments: dict[str, JsonValue] | None = None
    """Those that a person put in place of the model's; null if the model's were approved."""
    output: JsonValue = None
    """What a call in doubt came to, by whoever completed it."""
    limits: Limits | None = None
    """Where the run stops from then on, if a limit was raised."""
    content: JsonValue = None
    """What was answered, if something was asked for."""

    _written_id = WRITTEN_ID

    @property
    def id(self) -> str:
        """The approval's id within its run."""
        return self.approval_id or self.call_id or ""


class Approval(Public):
    """What waits, or waited, for a person: mostly a tool call."""

    call_id: CallId = None
    """Names the call within its run; null for a limit."""
    approval_id: str | None = None
    """Names the approval within its run: the decision is sent to its address."""
    name: str
    """The tool; of a limit its name, such as `max_turns`."""
    arguments: dict[str, JsonValue]
    """What the model wants to pass."""
    reason: Reason = "approval"
    """Why a person is asked. `approval`: the tool needs one · `in_doubt`: nobody knows whether the
    call of a `once` tool happened · `limit`: the run has reached it · `input`: a tool asks."""
    question: str | None = None
    """What is asked, in a sentence for a person; null where the reason says it."""
    content_schema: dict[str, JsonValue] | None = None
    """Of `input`: a JSON Schema of the `content` to answer with, an object of plain fields."""
    url: str | None = None
    """Of `input`: where a person does in a browser what is asked for, and then answers with `{}`.
    Nobody has checked it."""
    requested_at: Time
    """Since when it waits."""
    expires_at: Time | None = None
    """When it is given up and counts as refused; null if it waits for as long as it takes."""
    resolution: Resolution | None = None
    """How it ended; null while it waits."""

    _written_id = WRITTEN_ID

    @property
    def id(self) -> str:
        """Its id within its run."""
        return self.approval_id or self.call_id or ""


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
