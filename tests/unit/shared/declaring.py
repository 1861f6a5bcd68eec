"""Types that tools take, and the schema of one hint."""

import enum
import inspect
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from outlast import tool


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip_code: str | None = None


class Order(BaseModel):
    title: str
    """A field that is called as the noise that pydantic adds."""
    address: Address


@dataclass
class Point:
    x: int
    y: int = 0


def schema_of(hint: Any, default: Any = inspect.Parameter.empty) -> dict[str, Any]:
    """Return the schema of a tool's one parameter, which is called `value`."""

    def fn(value: Any) -> str:
        """Do it.

        Args:
            value: What it is.
        """
        return str(value)

    fn.__annotations__["value"] = hint
    if default is not inspect.Parameter.empty:
        fn.__defaults__ = (default,)
    parameters = tool(fn).parameters
    assert parameters["additionalProperties"] is False
    required = parameters.get("required", [])
    assert required == (["value"] if default is inspect.Parameter.empty else [])
    schema = dict(parameters["properties"]["value"])
    assert schema.pop("description") == "What it is."
    return schema


NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
