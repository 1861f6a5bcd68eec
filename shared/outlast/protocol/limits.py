"""Where a run stops."""

from pydantic import Field

from outlast.protocol.wire import Public


class Limits(Public):
    """Where a run stops and ends as `incomplete`."""

    max_turns: int | None = Field(default=None, ge=1, le=1000, strict=True)
    """How many turns it may take; null for as many as its agent allows."""
