"""The one serde of this project: JSON through pydantic, for any type."""

from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from restate.serde import Serde

T = TypeVar("T")


class JsonSerde(Serde[T], Generic[T]):
    """JSON for what pydantic can describe; the SDK's default fails for lists of models."""

    def __init__(self, annotation: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(annotation)

    def serialize(self, obj: T | None) -> bytes:
        """Return the value as JSON, nulls included: a null cost is not the default, 0."""
        return self._adapter.dump_json(obj)  # pyright: ignore[reportArgumentType]  # the SDK passes None for handlers that return nothing

    def deserialize(self, buf: bytes) -> T | None:
        """Return the value, or None where nothing was sent or kept."""
        return self._adapter.validate_json(buf) if buf else None
