"""What an agent's answer has to be: a type of its author's, or a JSON Schema of a run's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from pydantic import JsonValue, TypeAdapter, ValidationError

from outlast.arguments import UnreadableArguments, read_arguments
from outlast.json_schema import faults_of

FINAL_RESULT = "final_result"
"""The tool that a model answers by which takes no schema. No tool of an agent is called so."""
_WRAPPER = "result"
_FENCE = "```"
_MAX_FAULTS = 5


class OutputMismatch(ValueError):
    """An answer is not what it has to be.

    Attributes:
        faults: What is wrong with it, for the model.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Output:
    """What an answer has to be.

    Attributes:
        shape: The JSON Schema of what the model writes: always an object.
        is_wrapped: Whether that holds, as `result`, what is no object.
        adapter: Reads it as the author's type; without one the shape is all there is.
    """

    shape: Mapping[str, JsonValue]
    is_wrapped: bool
    adapter: TypeAdapter[Any] | None = None

    @classmethod
    def of_type(cls, kind: Any) -> Self:
        """Return what is asked for by any type that pydantic can read.

        Raises:
            TypeError: It can't read this one.
        """
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(kind)
            schema = adapter.json_schema()
        except Exception as error:  # pydantic raises several types for what it can't read
            raise TypeError(str(error).partition("\n")[0]) from error
        return cls(*_as_object(schema), adapter)

    @classmethod
    def of_schema(cls, schema: Mapping[str, JsonValue]) -> Self:
        """Return what is asked for by a JSON Schema that was checked."""
        return cls(*_as_object(schema))

    def read(self, text: str) -> JsonValue:
        """Read an answer.

        Raises:
            OutputMismatch: It is not what it has to be.
        """
        try:
            value = read_arguments(_without_fence(text))
        except UnreadableArguments as error:
            raise OutputMismatch([f"it can't be read as JSON: {error}"]) from error
        if self.adapter is None:
            if faults := faults_of(self.shape, value):
                raise OutputMismatch(faults)
            return value[_WRAPPER] if self.is_wrapped else value
        if self.is_wrapped and set(value) != {_WRAPPER}:
            raise OutputMismatch([f"it must be an object with {_WRAPPER!r} alone"])
        return self._read_typed(self.adapter, value[_WRAPPER] if self.is_wrapped else value)

    def _read_typed(self, adapter: TypeAdapter[Any], value: JsonValue) -> JsonValue:
        try:
            return cast(
                "JsonValue", adapter.dump_python(adapter.validate_python(value), mode="json")
            )
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            told = [f"{_place(fault['loc'])}: {fault['msg']}" for fault in faults[:_MAX_FAULTS]]
            raise OutputMismatch(told) from error


def _as_object(schema: Mapping[str, JsonValue]) -> tuple[Mapping[str, JsonValue], bool]:
    """Return a schema of an object, as providers want it, and whether that wraps the one given."""
    if schema.get("type") == "object":
        return schema, False
    inner = {name: part for name, part in schema.items() if name not in ("$defs", "$schema")}
    wrapped: dict[str, JsonValue] = {
        "type": "object",
        "properties": {_WRAPPER: inner},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    return wrapped, True


def _without_fence(text: str) -> str:
    """Take JSON out of the block of code that models like to put it in."""
    said = text.strip()
    if not (said.startswith(_FENCE) and said.endswith(_FENCE)):
        return said
    return said.removesuffix(_FENCE).partition("\n")[2]


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "the answer"
