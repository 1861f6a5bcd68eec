"""How a model is told what its answer has to be: by a schema, or by a tool that it answers with."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from outlast.output import FINAL_RESULT
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import PinnedTool
from outlast_worker.models.answers import Answer

_NAME = "answer"
_ANSWER_BY_TOOL = (
    f"Give your final answer by calling the tool {FINAL_RESULT}, once you need no other tool."
)
# What providers refuse in a strict schema, and what only narrows it: answers are read afterwards.
_NOT_STRICT = frozenset(
    {"default", "examples", "discriminator", "minLength", "maxLength", "uniqueItems", "$schema"}
)
_LOOSE = frozenset({"patternProperties", "prefixItems", "allOf", "not", "if", "propertyNames"})
# What Anthropic can't hold a model to:
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs
_NOT_PLAIN = frozenset(
    {
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
    }
)
_MOST_UNIONS = 16
_REFERENCE = re.compile(r'"\$ref": "#/?(?:(?:\$defs|definitions)/)?([^"]*)"')


class _Loose(Exception):
    """The schema says what can't be said strictly."""


def schema_format(call: ModelCall) -> dict[str, Any]:
    """Return the option that says what an answer has to be, if it has to be anything."""
    if call.pin.output is None:
        return {}
    shape = call.pin.output.shape
    strict = strict_shape(shape)
    named = {"name": _NAME, "schema": strict or shape, "strict": strict is not None}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def with_final_tool(call: ModelCall) -> ModelCall:
    """Return the call of a model that answers by a tool, if its answer has to be anything."""
    if call.pin.output is None:
        return call
    tool = PinnedTool(
        name=FINAL_RESULT,
        description="Give the final answer. Nothing is done with it but to hand it over.",
        parameters=call.pin.output.shape,
    )
    changes = {
        "tools": [*call.pin.tools, tool],
        "instructions": f"{call.pin.instructions}\n\n{_ANSWER_BY_TOOL}",
        "output": None,
    }
    return replace(call, pin=call.pin.model_copy(update=changes))


def final_answer(call: ModelCall, answer: Answer) -> Answer:
    """Return an answer in which the call of that tool is the text of the answer.

    One that comes beside other calls was made without their results: it is left out.
    """
    if call.pin.output is None:
        return answer
    final = [each for each in answer.calls if each.name == FINAL_RESULT]
    others = [each for each in answer.calls if each.name != FINAL_RESULT]
    if not final:
        return answer
    if others:
        return replace(answer, calls=others)
    return replace(answer, text=final[0].arguments, calls=(), finish_reason="stop")


def strict_shape(shape: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema that providers hold a model to, or None if there can be none.

    Strictly, an object has all of its properties and no others. So one that may be left out has to
    have a default, which the model then writes itself, or may be null.
    """
    try:
        return _strict(shape)
    except _Loose:
        return None


def plain_shape(shape: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a strict schema that says no more than Anthropic takes, or None if there can be none.

    It takes no recursion, and not many alternatives.
    """
    strict = strict_shape(shape)
    if (
        strict is None
        or _is_recursive(strict)
        or json.dumps(strict).count('"anyOf"') > _MOST_UNIONS
    ):
        return None
    return _plain(strict)


def _plain(part: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in part.items():
        if name in ("properties", "$defs", "definitions"):
            plain[name] = {inner: _plain(each) for inner, each in value.items()}
        elif name == "items":
            plain[name] = _plain(value)
        elif name == "anyOf":
            plain[name] = [_plain(each) for each in value]
        elif name not in _NOT_PLAIN:
            plain[name] = value
    return plain


def _is_recursive(shape: Mapping[str, Any]) -> bool:
    defined = {**shape.get("$defs", {}), **shape.get("definitions", {})}
    open_ = {name: set(_REFERENCE.findall(json.dumps(part))) for name, part in defined.items()}
    while open_:
        closed = [name for name, needed in open_.items() if needed.isdisjoint(open_)]
        if not closed:
            return True
        for name in closed:
            del open_[name]
    return "" in _REFERENCE.findall(json.dumps(shape))


def _strict(part: Mapping[str, Any]) -> dict[str, Any]:
    if not _LOOSE.isdisjoint(part):
        raise _Loose
    if "$ref" in part:  # providers take nothing beside it
        return {"$ref": part["$ref"], **_definitions(part)}
    strict: dict[str, Any] = {}
    for name, value in part.items():
        if name in ("anyOf", "oneOf"):
            strict["anyOf"] = [_strict(each) for each in value]
        elif name == "items":
            strict[name] = _strict(_schema(value))
        elif name not in (*_NOT_STRICT, "$defs", "definitions"):
            strict[name] = value
    if part.get("type") == "object" or "properties" in part:
        strict |= _strict_object(part)
    return {**strict, **_definitions(part)}


def _strict_object(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("additionalProperties", False) is not False:
        raise _Loose
    properties = cast("Mapping[str, Any]", part.get("properties", {}))
    required = part.get("required", ())
    for name, value in properties.items():
        if name not in required and not ("default" in _schema(value) or _may_be_null(value)):
            raise _Loose
    return {
        "properties": {name: _strict(_schema(value)) for name, value in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _definitions(part: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: part[name] for name in ("$defs", "definitions") if name in part}
    return {
        name: {inner: _strict(_schema(value)) for inner, value in defined.items()}
        for name, defined in found.items()
    }


def _may_be_null(part: Mapping[str, Any]) -> bool:
    kinds = part.get("type")
    if kinds == "null" or (isinstance(kinds, list) and "null" in kinds):
        return True
    return any(_may_be_null(_schema(each)) for each in part.get("anyOf", ()))


def _schema(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):  # `true`: anything
        raise _Loose
    return cast("Mapping[str, Any]", value)
