"""How the app itself is, and what an error looks like."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from outlast.protocol.described import Described
from outlast.protocol.wire import Public


class Health(Public):
    """The process is up."""

    status: Literal["ok"] = "ok"
    """Always `ok`."""


class Readiness(Public):
    """Runs can be started."""

    status: Literal["ready"] = "ready"
    """Always `ready`."""
    drift: list[str] = Field(default_factory=list[str])
    """Agents whose definition differs between app and worker: one of them has to be deployed."""


class ProblemDocument(Described):
    """What is wrong (RFC 9457). Some types have members of their own beside these."""

    model_config = ConfigDict(extra="allow")

    type: str
    """A stable short name to match on."""
    title: str
    """The same for every problem of this type."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong this time and what to do, for a person."""
    errors: list[dict[str, Any]] | None = None
    """Of a 422: each `field` with its `message`."""
