"""Drops from a JSON Schema what costs tokens in every model call and says nothing."""

from typing import Any, cast

# What a schema says of values, which may have a title of their own.
_VALUES = frozenset({"const", "default", "enum", "examples"})


def without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop pydantic's generated titles: they cost tokens in every call and say nothing."""

    def clean(node: Any, *, is_properties: bool = False) -> Any:
        if isinstance(node, dict):
            items = cast("dict[str, Any]", node).items()
            return {
                key: value
                if key in _VALUES and not is_properties
                else clean(
                    value, is_properties=key in ("properties", "$defs") and not is_properties
                )
                for key, value in items
                if is_properties or key != "title" or not isinstance(value, str)
            }
        if isinstance(node, list):
            return [clean(item) for item in cast("list[Any]", node)]
        return node

    return clean(schema)
