"""What a run and the durable tools that it calls say to each other."""

from pydantic import JsonValue

from outlast.names import key_of
from outlast.protocol import Time
from outlast_worker.engine.records import DurableReport, Record


class DurableOrder(Record):
    """A call of a durable tool, with what its context tells."""

    run_id: str
    tenant: str
    agent: str
    """Whose tool it is: not the run's own agent if that was handed over."""
    thread_id: str | None = None
    turn: int
    call_id: str
    name: str
    arguments: dict[str, JsonValue]
    context: dict[str, JsonValue]
    metadata: dict[str, str]
    above: list[str]
    """The run, and those above it: a cancellation of any of them breaks off the call's steps."""
    created_at: Time
    """Of the run."""


def durable_key(tenant: str, run_id: str, call_id: str) -> str:
    """Return the Restate key of a durable call."""
    return f"{key_of(tenant, run_id)}/{call_id}"


class NumberedReport(Record):
    """A report of a call's, by which its run knows when it waits."""

    call_id: str
    index: int
    report: DurableReport


class GivenSignal(Record):
    """What somebody sends to a call."""

    name: str
    value: JsonValue = None


class OpenDurable(Record):
    """A durable call that takes signals."""

    name: str
    signals: list[str]
    agent: str | None = None
    """Whose tool it is; null for the run's own agent's."""
