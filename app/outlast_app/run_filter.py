"""Which runs a listing is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outlast.protocol import RunStatus, Time


@dataclass(frozen=True)
class RunFilter:
    """What a run must be to be listed; None, or nothing, for anything.

    Attributes:
        id_prefix: How its id begins.
        statuses: It must be in one of these.
        metadata: It must have all of these.
        created_after: Restate accepted it then, or later.
        created_before: Restate accepted it earlier.
    """

    agent: str | None = None
    thread_id: str | None = None
    id_prefix: str | None = None
    statuses: frozenset[RunStatus] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    created_after: Time | None = None
    created_before: Time | None = None
    parent: str | None = None
