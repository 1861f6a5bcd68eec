"""Why a run stands still."""

from typing import Annotated, Literal

from outlast.protocol.wire import OrNewer, Public, Time

WaitKind = Literal[
    "approval",
    "client",
    "input",
    "signal",
    "child",
    "timer",
    "turn",
    "model",
    "worker",
    "paused",
]
SETTLING: frozenset[str] = frozenset({"approval", "client", "input", "signal", "child"})
"""Kinds of waits for somebody outside: whoever waits for the run is told, and a segment ends."""


class Awaited(Public):
    """Something that a run waits for, and where it is to be found."""

    run_id: str
    """The run that asks: this one, or one that it has called."""
    id: str
    """An `approval_id`, or a `call_id`."""


class Waiting(Public):
    """Why a run stands still."""

    kind: Annotated[WaitKind, OrNewer]
    """`approval`: a person decides · `client`: a client answers a call of its tools · `input`: a
    tool asks a person for something · `signal`, `child`: what it has called waits · `timer`: its
    time has not come · `turn`: another run holds its thread · `model`: the provider is asked
    later, again or when there is room within a limit of a run above · `worker`: no worker answers
    · `paused`: Restate gave up trying."""
    since: Time | None = None
    """Since when; null where nobody can say."""
    until: Time | None = None
    """When it goes on at the latest; null if that is not known."""
    run_id: str | None = None
    """The other run that it waits for, if it waits for one; of a `turn`, the one that holds the
    thread now, which lists and events do not say."""
    call_ids: list[str] | None = None
    """The calls that wait; null if it waits for something else."""
    text: str
    """The same in a sentence."""
