"""JSON Schemas that callers bring along: whether one can be used, and what does not fit it.

A caller may mean harm. So patterns are matched in linear time, nothing is fetched, and a schema
may not refer to itself or unfold into more parts than can be looked at at once.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, cast
from urllib.parse import unquote

from pydantic_core import from_json, to_json

MAX_BYTES = 64 * 1024
MAX_PARTS = 10_000
"""Of a schema, with what it refers to counted wherever it does."""
_MAX_DEPTH = 100
_MAX_FAULTS = 5
_MAX_FAULT_CHARS = 300
_CACHED = 64
_PART_BYTES = 50
_BYTES_OF_SIZE = 100
_MAX_WORK = 8_000_000
"""A schema's weight by a value's size: all faults of so much are found in half a second."""
_NOT_TAKEN = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef")


class UnusableSchema(ValueError):
    """The text says why, for whoever sent it."""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that can't be used.

    Raises:
        UnusableSchema: With the reason.
    """
    if len(to_json(schema)) > MAX_BYTES:
        raise UnusableSchema(f"a schema takes up to {MAX_BYTES} bytes as JSON")
    if _Unfolding(schema).count_parts(schema) > MAX_PARTS:
        raise UnusableSchema(f"the schema unfolds into more than {MAX_PARTS} parts")
    _validator(to_json(schema))


def faults_of(schema: Mapping[str, Any], value: Any) -> list[str]:
    """Return in what a value does not fit a schema that was checked: the first few faults.

    Of what is large only the first one, since the library makes all of them before it gives one:
    that may take minutes, in which this process does nothing else.
    """
    written = to_json(schema)
    validator = _validator(written)
    if validator.is_valid(value):
        return []
    if _weight(written) * _size(value) > _MAX_WORK:
        errors = _first_error(validator, value)
    else:
        errors = islice(validator.iter_errors(value), _MAX_FAULTS)
    return [_explain(error) for error in errors]


class _Unfolding:
    """Counts what a schema comes to when all that it refers to is written out."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._counts: dict[str, int] = {}
        self._open: list[str] = []

    def count_parts(self, part: Any, depth: int = 0) -> int:
        if depth > _MAX_DEPTH:
            raise UnusableSchema("the schema is nested too deeply")
        if isinstance(part, list):
            return 1 + sum(self.count_parts(each, depth + 1) for each in cast("list[Any]", part))
        if not isinstance(part, Mapping):
            return 0
        return 1 + sum(self._counts_in(cast("Mapping[str, Any]", part), depth))

    def _counts_in(self, part: Mapping[str, Any], depth: int) -> Iterator[int]:
        for name, value in part.items():
            if name in _NOT_TAKEN and isinstance(value, str):  # else a property is called so
                raise UnusableSchema(f"{name} is not taken; refer to parts as #/$defs/…")
            if name == "$ref" and isinstance(value, str):
                yield self._count_reference(value, depth)
            else:
                yield self.count_parts(value, depth + 1)

    def _count_reference(self, reference: str, depth: int) -> int:
        if reference in self._open:
            raise UnusableSchema(f"the schema refers to itself: {reference}")
        if reference not in self._counts:
            self._open.append(reference)
            self._counts[reference] = self.count_parts(self._find(reference), depth + 1)
            self._open.pop()
        return self._counts[reference]

    def _find(self, reference: str) -> Any:
        start, *steps = reference.split("/")
        found: Any = self._root if start == "#" else None
        for step in steps:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            found = cast("Any", found).get(name) if isinstance(found, Mapping) else None
        if found is None:
            raise UnusableSchema(f"the schema has nothing at {reference}; refer to #/$defs/…")
        return found


@lru_cache(maxsize=_CACHED)
def _validator(schema: bytes) -> Any:
    """Return what checks values.

    Raises:
        UnusableSchema: It is no schema.
    """
    import jsonschema_rs  # noqa: PLC0415  # most processes never need it

    try:
        return jsonschema_rs.validator_for(
            schema.decode(), offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except jsonschema_rs.ValidationError as error:
        raise UnusableSchema(f"not a JSON Schema: {error.message}"[:_MAX_FAULT_CHARS]) from None


@lru_cache(maxsize=_CACHED)
def _weight(schema: bytes) -> int:
    """Return how large a schema is, in bytes, when it is written out."""
    root = from_json(schema)
    try:
        return max(len(schema), _PART_BYTES * _Unfolding(root).count_parts(root))
    except UnusableSchema:  # an author's, which may refer to itself
        return _MAX_WORK


def _size(value: Any) -> int:
    """Return of about how many values one consists, long texts counted by their length."""
    written = to_json(value)
    return 1 + written.count(b",") + written.count(b":") + len(written) // _BYTES_OF_SIZE


def _first_error(validator: Any, value: Any) -> list[Any]:
    import jsonschema_rs  # noqa: PLC0415  # as above

    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def _explain(error: Any) -> str:
    where = ".".join(str(step) for step in error.instance_path) or "the answer"
    return f"{where}: {error.message}"[:_MAX_FAULT_CHARS]
