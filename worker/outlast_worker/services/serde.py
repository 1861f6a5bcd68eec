"""The one serde of this project: JSON through pydantic, for any type."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from restate.serde import Serde

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class JsonSerde(Serde[T], Generic[T]):
    """JSON for what pydantic can describe; the SDK's default fails for lists of models."""

    def __init__(self, annotation: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(annotation)

    def serialize(self, obj: T | None) -> bytes:
        """Return the value as JSON, nulls included: a null cost is not the default, 0."""
        return self._adapter.dump_json(obj)  # pyright: ignore[reportArgumentType]  # the SDK passes None for handlers that return nothing

    def deserialize(self, buf: bytes) -> T | None:
        """Return the value, or None where nothing was sent or kept."""
        return self.parse(buf) if buf else None

    def parse(self, buf: bytes) -> T:
        """Return the value, which must be there."""
        return self._adapter.validate_json(buf)


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
        serdes = {"output_serde": serde_of(signature.return_annotation)}
        if taken:
            serdes["input_serde"] = serde_of(taken[0].annotation)
        return decorator(name, **serdes, **options)(function)

    return declare
