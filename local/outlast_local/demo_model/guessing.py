"""Calls of tools that nobody told the demo model about: values from the schema and the question.

No understanding: the tool whose description shares most words with the question is called once,
with what in the question looks like its parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from outlast_local.demo_model.conversation import Json, Turn

_WORD = re.compile(r"[a-z]{3,}")
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w])")
_QUOTED = re.compile(r"[\"“]([^\"”]+)[\"”]")
_NAMED = re.compile(r"(?<=[a-z0-9,;:] )[A-Z][\w-]*(?: [A-Z][\w-]*)*")
_EXAMPLE = re.compile(r"`([^`]+)`")
_COMMON = frozenset(
    """
    about all and any are but can does for from get give has have how its more not one our out
    please some than that the their them then there these they this tool use was what when where
    which who will with you your
    """.split()  # noqa: SIM905  # as a list they would fill a screen
)
_FORMATS: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "email": "somebody@example.org",
    "uri": "https://example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_MOST_CHARS = 200


def fitting_tool(turn: Turn, names: Sequence[str]) -> str | None:
    """Return the tool to call for the question, if any fits or one must be called."""
    if turn.forced in names:
        return turn.forced
    asked = _words(turn.question)
    scores = {name: len(asked & _words(f"{name} {_about(turn.tools[name])}")) for name in names}
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is None or (not scores[best] and turn.forced is None):
        return None
    return best


def fitting_skill(turn: Turn, tool: str) -> str | None:
    """Return the skill to read for the question, by words that its name shares with it."""
    about = turn.tools[tool]["parameters"]["properties"]["name"]
    asked = _words(turn.question)
    fitting = [name for name in about["enum"] if asked & _words(name)]
    return fitting[0] if fitting else None


def arguments_for(turn: Turn, tool: str) -> dict[str, Any]:
    """Make arguments that fit the tool's schema: what it requires, and nothing else."""
    schema: Json = turn.tools[tool].get("parameters") or {}
    return _Guess(turn.question, schema).object(schema)


def value_for(question: str, schema: Json) -> Any:
    """Make an answer that fits a schema."""
    return _Guess(question, schema).value(schema)


class _Guess:
    """Takes values out of one question, each number once."""

    def __init__(self, question: str, schema: Json) -> None:
        self._question = question
        self._definitions: Json = schema.get("$defs") or {}
        self._numbers = [float(number) for number in _NUMBER.findall(question)]

    def object(self, schema: Json) -> dict[str, Any]:
        properties: Mapping[str, Json] = schema.get("properties") or {}
        required: Sequence[str] = schema.get("required") or ()
        return {name: self.value(properties[name]) for name in required if name in properties}

    def value(self, schema: Json) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if options := cast("Sequence[Any]", schema.get("enum") or ()):
            said = self._question.lower()
            return next((option for option in options if str(option).lower() in said), options[0])
        match schema.get("type"):
            case "object":
                return self.object(schema)
            case "array":
                return [self.value(schema.get("items") or {})]
            case "integer":
                return int(self._number(schema))
            case "number":
                return self._number(schema)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._text(schema)

    def _resolved(self, schema: Json) -> Json:
        """Follow a reference, and take the first of several kinds."""
        if reference := schema.get("$ref"):
            return self._resolved({**self._definitions[str(reference).rpartition("/")[2]]})
        kinds: Sequence[Json] = schema.get("anyOf") or schema.get("oneOf") or ()
        if kinds:
            about = {"description": schema["description"]} if "description" in schema else {}
            return self._resolved({**kinds[0], **about})
        if all_of := cast("Sequence[Json]", schema.get("allOf") or ()):
            return self._resolved(all_of[0])
        return schema

    def _number(self, schema: Json) -> float:
        least = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        most = schema.get("maximum", schema.get("exclusiveMaximum", float("inf")))
        number = self._numbers.pop(0) if self._numbers else max(1, least)
        return min(max(number, least), most)

    def _text(self, schema: Json) -> str:
        found = self._example_like(schema) or _FORMATS.get(schema.get("format", ""))
        if found is None:
            named = _QUOTED.findall(self._question) or _NAMED.findall(self._question)
            found = named[0] if named else self._question
        return str(found)[: min(schema.get("maxLength", _MOST_CHARS), _MOST_CHARS)]

    def _example_like(self, schema: Json) -> str | None:
        """Return what in the question has the shape of an example, else that example."""
        given = [
            *_EXAMPLE.findall(schema.get("description") or ""),
            *(schema.get("examples") or ()),
        ]
        examples = [str(example) for example in given]
        for example in examples:
            if found := re.search(rf"(?<!\w){_shape(example)}(?!\w)", self._question):
                return found[0]
        return examples[0] if examples else None


def _shape(example: str) -> str:
    """Return a pattern for texts of the same shape: `A-1001` finds `B-20`."""
    kinds = [(r"\d+", r"\d+"), (r"[A-Z]+", "[A-Z]+"), (r"[a-z]+", "[a-z]+")]
    if not re.search(r"\d", example):
        return r"(?!)"  # a word looks like any other
    shape, rest = "", example
    while rest:
        for like, pattern in kinds:
            if match := re.match(like, rest):
                shape, rest = shape + pattern, rest[match.end() :]
                break
        else:
            shape, rest = shape + re.escape(rest[0]), rest[1:]
    return shape


def _about(tool: Json) -> str:
    parameters: Json = tool.get("parameters") or {}
    names: Mapping[str, Any] = parameters.get("properties") or {}
    return f"{tool.get('description') or ''} {' '.join(names)}"


def _words(text: str) -> set[str]:
    """Return a text's words, without endings and without those that all texts have."""
    spread = re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return {word.removesuffix("s") for word in _WORD.findall(spread) if word not in _COMMON}
