"""The one serde of this project: JSON through pydantic, for any type."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from restate.serde import BytesSerde, Serde

from outlast.protocol import AMONG_PROCESSES

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_BYTES = BytesSerde()
_SHOWN_FAULTS = 5


class JsonSerde(Serde[T], Generic[T]):
    """JSON for what pydantic can describe; the SDK's default fails for lists of models."""

    def __init__(self, annotation: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(annotation)

    def serialize(self, obj: T | None) -> bytes:
        """Return the value as JSON, without nulls.

        A replay compares bytes: a field that a newer worker has, and an older one had not, must
        leave none where it says nothing. So null has to be what a field is by default.
        """
        return self._adapter.dump_json(obj, exclude_none=True, context=AMONG_PROCESSES)  # pyright: ignore[reportArgumentType]  # the SDK passes None for handlers that return nothing

    def deserialize(self, buf: bytes) -> T | None:
        """Return the value, or None where nothing was sent or kept."""
        return self.parse(buf) if buf else None

    def parse(self, buf: bytes) -> T:
        """Return the value, which must be there."""
        return self._adapter.validate_json(buf)


class UnreadableInput(Exception):
    """Another process sent what this one can't read. What it says is not repeated."""


def _read(takes: JsonSerde[T], body: bytes, handler: str) -> T:
    try:
        return takes.parse(body)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        places = ", ".join(".".join(map(str, fault["loc"])) for fault in faults[:_SHOWN_FAULTS])
        raise UnreadableInput(
            f"{handler}: the input can't be read at {places}; deploy a worker that is as new as "
            "the app"
        ) from None


@functools.cache
def serde_of(annotation: Any) -> JsonSerde[Any]:
    """Return the serde of a type."""
    return JsonSerde(annotation)


def json_handler(
    decorator: Callable[..., Callable[[F], F]], name: str | None = None, **options: Any
) -> Callable[[F], F]:
    """Declare a handler that takes and gives JSON of the types in its signature.

    Args:
        decorator: Of the service, such as `workflow.handler`.
        name: As others call it; by default the function's.
        **options: What the decorator takes, too.
    """

    def declare(function: F) -> F:
        signature = inspect.signature(function)
        _, *taken = signature.parameters.values()  # the context comes first
        gives = serde_of(signature.return_annotation)
        takes = serde_of(taken[0].annotation) if taken else None

        # The SDK ends a call for good whose input can't be read. Read here, it is tried again,
        # until there is a worker that can: one that is newer.
        @functools.wraps(function)
        async def handle(ctx: Any, *bodies: bytes) -> Any:
            given = [_read(takes, body, function.__name__) for body in bodies] if takes else []
            return await function(ctx, *given)

        handler: Any = handle
        handler.__signature__ = _without_types(signature)
        decorator(name, input_serde=_BYTES, output_serde=gives, **options)(handler)
        return function

    return declare


def _without_types(signature: inspect.Signature) -> inspect.Signature:
    """Name no types: the SDK would tell Restate a schema of each, which nobody reads.

    With twenty agents those are 4 MB, and seconds in which the event loop stands.
    """
    parameters = [each.replace(annotation=Any) for each in signature.parameters.values()]
    gives = signature.return_annotation
    return signature.replace(
        parameters=parameters, return_annotation=None if gives is None else Any
    )
