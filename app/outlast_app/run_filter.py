"""Which runs a listing is asked for."""

from dataclasses import dataclass

from outlast.protocol import RunStatus


@dataclass(frozen=True)
class RunFilter:
    """What a run must be to be listed; None for anything."""

    agent: str | None = None
    thread_id: str | None = None
    status: RunStatus | None = None
