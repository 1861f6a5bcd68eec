"""Calls of tools that clients run, and what clients answer."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints
from pydantic_core import to_json

from outlast.protocol.approvals import By
from outlast.protocol.messages import MAX_MESSAGES, Part
from outlast.protocol.wire import OrNewer, Public, Time

DEFAULT_CLIENT_TIMEOUT_S = 3600
MAX_CLIENT_TOOLS = 64
MAX_CLIENT_TOOLS_BYTES = 128 * 1024
MAX_RESULT_BYTES = 256 * 1024
MAX_RESULT_PARTS_BYTES = 4 * 1024 * 1024
_MAX_TIMEOUT_S = 365 * 24 * 3600


class ClientToolSpec(Public):
    """A tool that the client of one run brings along, and runs itself."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$", strict=True)]
    """What the model calls it; no tool of the agent may be called so."""
    description: Annotated[str, StringConstraints(min_length=1, max_length=8192, strict=True)]
    """What it does, for the model."""
    parameters: dict[str, JsonValue] = Field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    """JSON Schema of an object: its arguments. Calls that don't fit go back to the model."""
    timeout_s: float = Field(default=DEFAULT_CLIENT_TIMEOUT_S, gt=0, le=_MAX_TIMEOUT_S, strict=True)
    """How long a call waits for its result."""


class CallResult(Public):
    """What a client's tool came to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"output": "Berlin, Germany"},
                {"output": "The user does not share their place.", "is_error": True},
            ]
        }
    )

    output: str | Annotated[list[Part], Field(min_length=1, max_length=MAX_MESSAGES)]
    """What the model reads: a text (or JSON as text) of 256 KiB at most, or parts that may be
    images and documents, 4 MiB at most as JSON."""
    is_error: bool = Field(default=False, strict=True)
    """Whether it failed, so that the output says why."""
    by: str | None = None
    """Who answers: for the record, beside the name of the key."""

    @property
    def is_too_large(self) -> bool:
        """Whether it is more than a run takes."""
        if len((self.by or "").encode(errors="replace")) > MAX_RESULT_BYTES:
            return True
        if isinstance(self.output, str):
            return len(self.output.encode(errors="replace")) > MAX_RESULT_BYTES
        return len(to_json(self.output)) > MAX_RESULT_PARTS_BYTES


class CallAnswer(Public):
    """How a client's call ended. What it came to is in the run's messages."""

    call_id: str
    """The call."""
    outcome: Annotated[Literal["answered", "expired", "withdrawn"], OrNewer]
    """Whether a client sent a result, nobody did in time, or the run was cancelled before."""
    is_error: bool = False
    """Whether the client says that it failed."""
    at: Time
    """When it was answered, or given up."""
    by: By = None
    """Who answered; null if nothing is known of them."""


class ClientCall(Public):
    """A call whose result a client has to send, or has sent."""

    call_id: str
    """Names the call within its run: its result is sent to its address. A client that runs it may
    see it twice, and has this for its idempotency key."""
    name: str
    """The tool."""
    arguments: dict[str, JsonValue]
    """What the model passes; they fit the tool's parameters."""
    requested_at: Time
    """Since when it waits."""
    expires_at: Time
    """When it is given up; the model is told so."""
    answer: CallAnswer | None = None
    """How it ended; null while it waits."""


class PendingCall(ClientCall):
    """A call that waits for a client, and where."""

    run_id: str
    """The run that waits."""
    agent: str
    """The run's agent."""
    thread_id: str | None = None
    """The thread that the run is on, if any."""


class CallPage(Public):
    """A page of calls, newest first."""

    items: list[PendingCall]
    """The calls."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""


def check_size(tools: list[ClientToolSpec]) -> list[ClientToolSpec]:
    """Refuse more client tools than a run takes.

    Raises:
        ValueError: With what it takes.
    """
    if len({tool.name for tool in tools}) < len(tools):
        raise ValueError("two client tools have one name")
    if sum(len(to_json(tool)) for tool in tools) > MAX_CLIENT_TOOLS_BYTES:
        raise ValueError(f"client tools have {MAX_CLIENT_TOOLS_BYTES} bytes at most, as JSON")
    return tools
