"""What all models of the wire have in common."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import from_json

from outlast.names import THREAD_ID
from outlast.protocol.described import Described

M = TypeVar("M", bound=BaseModel)

AMONG_PROCESSES = {"among_processes": True}
"""The context in which is written what processes keep and tell each other, and no client reads."""

_ENVELOPES = 20


def _as_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(_as_utc)]
ThreadId = Annotated[str, StringConstraints(pattern=f"^{THREAD_ID}$")]


def check_json(value: Any) -> None:
    """Refuse what Python reads as JSON and others don't; and what is nested too deeply to be kept.

    Raises:
        ValueError: With the reason.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text has half a Unicode character, a lone surrogate") from error
    except (RecursionError, ValueError) as error:
        raise ValueError(f"not JSON: {error}") from error
    # The value is kept inside of others, and read again by pydantic, which has a limit of depth.
    from_json(b"[" * _ENVELOPES + text + b"]" * _ENVELOPES)


class Wire(BaseModel):
    """Base of everything that goes over the wire. Frozen.

    What one process writes another one reads, and in a rolling release that is an older one: it
    leaves out fields that it does not know. Only what clients send is refused for them, at the
    door (`from_client`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


def from_client(kind: type[M], value: Any) -> M:
    """Check what a client sends: an unknown field, at any depth, is a mistake.

    Raises:
        ValidationError: It is not what it has to be.
    """
    return kind.model_validate(value, extra="forbid")


def _or_newer(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        if isinstance(value, str):
            return value
        raise


OrNewer = WrapValidator(_or_newer)
"""Lets a word through that only a newer process knows: it is passed on as it is."""


def _describe_type(schema: dict[str, Any]) -> None:
    kind = schema["properties"].get("type", {})
    if "const" in kind:
        kind["description"] = "Which kind of object this is."


class Public(Wire, Described):
    """Base of what clients send and get: each field has its description under it."""

    model_config = ConfigDict(json_schema_extra=_describe_type)
