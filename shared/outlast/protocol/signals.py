"""Signals to durable tools."""

from pydantic import JsonValue, RootModel

from outlast.protocol.wire import Public


class SignalValue(RootModel[JsonValue]):
    """What a signal says: any JSON."""


class SignalTaken(Public):
    """A signal that counts."""

    call_id: str | None = None
    """The call that has it; null while no worker is there: the next one hands it over."""
    name: str
    """The signal's name."""
    value: JsonValue = None
    """What it says."""
