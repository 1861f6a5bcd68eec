"""What all assemblers do with what a server sends: JSON, errors in it, and its end."""

import json
from typing import Any

import orjson

from outlast_worker.models.error_bodies import find_error
from outlast_worker.models.faults import CallFailed

DONE = b"[DONE]"
"""The data of a stream's last event."""


def decode(data: bytes) -> Any:
    """Decode JSON, what only Python takes for JSON (`NaN`, half a character) included.

    Raises:
        CallFailed: It is none.
    """
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        return json.loads(data.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise CallFailed.malformed("The model's answer is not JSON.") from error


def refuse_error(said: Any) -> None:
    """Refuse what says that the provider failed.

    Raises:
        CallFailed: With what was said.
    """
    if error := find_error(said):
        raise CallFailed(error.symptoms())


def broken_off() -> CallFailed:
    """Return the error of an answer of which nobody said that it is whole."""
    return CallFailed.malformed("The model's answer broke off before its end.")
