"""Schemas that callers bring along."""

import time
from typing import Any

import pytest

from fakes.names import named
from outlast.json_schema import UnusableSchema, check_schema, faults_of

INVOICE: dict[str, Any] = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}, "lines": {"type": "array"}},
    "required": ["cents"],
    "additionalProperties": False,
}


def in_doubling_steps(count: int) -> dict[str, Any]:
    """Return a small schema that unfolds into 2**count parts."""
    parts = {f"p{n}": {"allOf": [{"$ref": f"#/$defs/p{n + 1}"}] * 2} for n in range(count)}
    return {"$ref": "#/$defs/p0", "$defs": {**parts, f"p{count}": {"type": "integer"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        INVOICE,
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {}},
        {"const": "$id"},
        {"properties": {"$id": {"type": "string"}, "$ref": {"type": "string"}}},
        in_doubling_steps(5),
    ],
    ids=named,
)
def test_usable(schema: dict[str, Any]) -> None:
    """These can be used."""
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "objekt"}, "not a JSON Schema"),
        ({"type": "string", "pattern": "(?<=a)b"}, "not a JSON Schema"),
        ({"$schema": "https://example.org/mine"}, "not a JSON Schema"),
        ({"$ref": "#"}, "refers to itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, "itself"),
        ({"$ref": "http://127.0.0.1/x"}, "nothing at http"),
        ({"$ref": "#/$defs/a"}, r"nothing at #/\$defs/a"),
        ({"$id": "http://127.0.0.1/x"}, r"\$id is not taken"),
        ({"description": "x" * 70_000}, "up to 65536 bytes"),
        (in_doubling_steps(25), "more than 10000 parts"),
        # A property may be called as what is there to be referred to.
        (
            {
                "properties": {"definitions": {"$ref": "#/$defs/p0"}},
                "$defs": in_doubling_steps(25)["$defs"],
            },
            "more than 10000 parts",
        ),
        ({"properties": {"definitions": {"items": {"$ref": "#"}}}}, "itself"),
    ],
    ids=named,
)
def test_unusable(schema: dict[str, Any], why: str) -> None:
    """These can't, and the error says why."""
    with pytest.raises(UnusableSchema, match=why):
        check_schema(schema)


def test_a_long_chain_of_references() -> None:
    """Depth is refused before it is too much for Python."""
    parts: dict[str, Any] = {f"p{n}": {"$ref": f"#/$defs/p{n + 1}"} for n in range(1000)}
    with pytest.raises(UnusableSchema, match="too deeply"):
        check_schema({"$ref": "#/$defs/p0", "$defs": {**parts, "p1000": {}}})


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"cents": 5}, []),
        ({"cents": "5"}, ['cents: "5" is not of type "integer"']),
        ({}, ['the answer: "cents" is a required property']),
    ],
)
def test_faults(value: Any, faults: list[str]) -> None:
    """What does not fit is said with its place."""
    assert faults_of(INVOICE, value) == faults


def test_many_and_long_faults() -> None:
    """A few faults are enough, and short ones."""
    faults = faults_of({"items": {"type": "integer"}}, ["x" * 5000] * 50)
    assert len(faults) == 5
    assert max(map(len, faults)) <= 300


def test_a_pattern_that_takes_others_for_ever() -> None:
    """A pattern on which backtracking takes exponential time is answered at once."""
    began_s = time.process_time()
    assert faults_of({"type": "string", "pattern": "^(a+)+$"}, "a" * 5000 + "!")
    assert time.process_time() - began_s < 5


@pytest.mark.parametrize(
    ("items", "wrong"),
    [
        ({"enum": list(range(10_000))}, -1),
        ({"anyOf": [{"properties": {"a": {"const": n}}} for n in range(1_500)]}, {"a": -1}),
    ],
)
def test_many_faults_of_a_large_schema(items: Any, wrong: Any) -> None:
    """One is enough where all of them would hold up the process for minutes."""
    schema = {"type": "array", "items": items}
    check_schema(schema)
    began_s = time.process_time()
    assert len(faults_of(schema, [wrong] * 5_000)) == 1
    assert time.process_time() - began_s < 2


def test_a_schema_of_an_author() -> None:
    """It may refer to itself; what does not fit is said as well."""
    tree = {"$ref": "#/$defs/tree", "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}}}
    assert faults_of({**tree, "type": "array"}, [[], []]) == []
    assert len(faults_of({**tree, "type": "array"}, {})) == 1
