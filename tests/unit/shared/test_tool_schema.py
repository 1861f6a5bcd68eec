"""The schema of a tool: what a model is told of a function."""

from datetime import date
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, ValidationError

from fakes.names import named
from outlast import ToolContext, tool
from unit.shared.declaring import NULLABLE, Address, Colour, Order, Point, schema_of


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (date, {"type": "string", "format": "date"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (str | None, NULLABLE),
        (Optional[str], NULLABLE),  # noqa: UP045  # authors write it so too
        (Annotated[int, Field(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (Annotated[str, Field(pattern="^A-")], {"type": "string", "pattern": "^A-"}),
        (
            Annotated[list[str], Field(max_length=2)],
            {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        ),
    ],
    ids=named,
)
def test_schema_of_a_hint(hint: Any, schema: dict[str, Any]) -> None:
    """A type hint becomes the JSON schema that says the same."""
    assert schema_of(hint) == schema


@pytest.mark.parametrize(
    ("hint", "default", "schema"),
    [
        (int, 5, {"type": "integer", "default": 5}),
        (str | None, None, {**NULLABLE, "default": None}),
        (Literal["a", "b"], "a", {"type": "string", "enum": ["a", "b"], "default": "a"}),
        (bool, False, {"type": "boolean", "default": False}),
    ],
)
def test_schema_of_a_default(hint: Any, default: Any, schema: dict[str, Any]) -> None:
    """A parameter with a default need not be given, and the model sees the default."""
    assert schema_of(hint, default) == schema


@pytest.mark.parametrize(
    ("hint", "definition"),
    [
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (
            Point,
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
        (
            Address,
            {
                "type": "object",
                "properties": {
                    "street": {"type": "string"},
                    "zip_code": {**NULLABLE, "default": None},
                },
                "required": ["street"],
            },
        ),
    ],
    ids=["enum", "dataclass", "model"],
)
def test_schema_of_a_class(hint: Any, definition: dict[str, Any]) -> None:
    """Enums, dataclasses and models are defined beside the parameters, without generated noise."""

    @tool
    def fn(value: hint) -> str:  # pyright: ignore[reportInvalidTypeForm]
        """Do it.

        Args:
            value: What it is.
        """
        return ""

    assert fn.parameters["properties"]["value"]["$ref"] == f"#/$defs/{hint.__name__}"
    assert fn.parameters["$defs"] == {hint.__name__: definition}


def test_nested_models_keep_their_titles() -> None:
    """Only titles that pydantic makes up are dropped; a field may be called `title`."""

    @tool
    def fn(order: Order) -> str:
        """Do it.

        Args:
            order: What it is.
        """
        return ""

    assert set(fn.parameters["$defs"]) == {"Order", "Address"}
    assert fn.parameters["$defs"]["Order"]["properties"]["title"] == {"type": "string"}
    assert "title" not in fn.parameters


class Book(BaseModel):
    title: str = "Untitled"


def test_defaults_keep_their_titles() -> None:
    """A default is a value and no schema."""

    @tool
    def fn(book: Book = Book()) -> str:  # noqa: B008  # pydantic copies it
        """Do it.

        Args:
            book: What it is.
        """
        return ""

    assert fn.parameters["properties"]["book"]["default"] == {"title": "Untitled"}


def test_descriptions() -> None:
    """The docstring is the tool's description, its `Args:` the parameters', over several lines."""

    @tool
    def find(order_id: str, limit: int = 3) -> str:
        """Find an order.

        It must be of this year.

        Args:
            order_id: The order's number,
                e.g. `A-1001`.
            limit: How many: at most this.

        Returns:
            What was found.

        Raises:
            ToolError: There is none.
        """
        return ""

    assert find.description == "Find an order.\n\nIt must be of this year."
    properties = find.parameters["properties"]
    assert properties["order_id"]["description"] == "The order's number, e.g. `A-1001`."
    assert properties["limit"]["description"] == "How many: at most this."


def test_tool_context_is_not_shown() -> None:
    """The context is ours to give: the model sees nothing of it, and it needs no `Args:` line."""

    @tool
    def find(ctx: ToolContext, order_id: str) -> str:
        """Find.

        Args:
            order_id: Which.
        """
        return ""

    assert list(find.parameters["properties"]) == ["order_id"]
    assert find.context_parameter == "ctx"
    with pytest.raises(ValidationError):
        find.parse({"ctx": {}, "order_id": "A"})


def test_no_parameters() -> None:
    """A tool without parameters has a schema of an empty object, which all providers take."""

    @tool
    def now() -> str:
        """Tell the time."""
        return ""

    assert now.parameters == {"additionalProperties": False, "properties": {}, "type": "object"}
    assert now.parse({}) == {}
