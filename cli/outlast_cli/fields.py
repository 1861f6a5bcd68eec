"""What a server asks people for, field by field: said in a line, and read from the keyboard."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import JsonValue

from outlast.protocol import Approval
from outlast_cli.editing import parse_json
from outlast_cli.keyboard import ask
from outlast_cli.output import printable, say

_YES = ("y", "yes", "true")
_NO = ("n", "no", "false")
_Field = Mapping[str, Any]


def describe_input(asked: Approval) -> str:
    """Say in a line what somebody has to answer, or where to go."""
    if asked.url:
        return printable(f"at {asked.url}")
    return "; ".join(_label(name, field) for name, field, _ in _fields_of(asked.content_schema))


def ask_for_content(asked: Approval) -> dict[str, JsonValue]:
    """Return what a person at the terminal answers: a value for each field that they fill in.

    Raises:
        EOFError: Ctrl-D.
    """
    if asked.url:
        say("Open this in a browser, if you trust it, and do there what is asked for:")
        say(printable(asked.url))
        ask("Press Enter when it is done")
        return {}
    content: dict[str, JsonValue] = {}
    for name, field, is_required in _fields_of(asked.content_schema):
        if (value := _ask_for(name, field, is_required=is_required)) is not None:
            content[name] = value
    return content


def _fields_of(schema: _Field | None) -> Iterator[tuple[str, _Field, bool]]:
    required = (schema or {}).get("required") or ()
    properties = cast("Mapping[str, Any]", (schema or {}).get("properties") or {})
    for name, field in properties.items():
        if isinstance(field, Mapping):
            yield name, cast("_Field", field), name in required


def _ask_for(name: str, field: _Field, *, is_required: bool) -> JsonValue:
    if description := field.get("description"):
        say(printable(str(description)))
    default = field.get("default")
    shown = "" if default is None else _written(default)
    question = _label(name, field) + ("" if is_required or shown else ", or nothing")
    while True:
        typed = ask(printable(question), printable(shown))
        if not typed and not is_required:
            return None
        try:
            return default if typed == shown and shown else _read(typed, field)
        except ValueError as error:
            say(f"That does not work: {error}.")


def _label(name: str, field: _Field) -> str:
    """Name a field, and what it takes."""
    choices = _choices_of(field)
    takes = " or ".join(choices.values()) if choices else _KINDS.get(str(field.get("type")), "")
    many = ", several separated by commas" if field.get("type") == "array" else ""
    title = str(field.get("title") or name)
    return printable(f"{title} ({takes}{many})" if takes or many else title)


_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "y or n"}


def _choices_of(field: _Field) -> dict[str, str]:
    """Return the values that a field takes, with what they are called."""
    of = cast("_Field", field.get("items") or {}) if field.get("type") == "array" else field
    titled = cast("list[_Field]", of.get("oneOf") or of.get("anyOf") or [])
    values = cast("list[Any]", of.get("enum") or [])
    names = cast("list[Any]", of.get("enumNames") or values)
    named = zip(values, names, strict=False)
    return {
        **{str(each["const"]): str(each.get("title", each["const"])) for each in titled},
        **{str(value): str(name) for value, name in named},
    }


def _read(typed: str, field: _Field) -> JsonValue:
    """Read what was typed for a field; what else is wrong with it the server says."""
    choices = _choices_of(field)
    match field.get("type"):
        case "array":
            parts = (part.strip() for part in typed.split(","))
            return [_choose(part, choices) for part in parts if part]
        case "boolean":
            if typed.lower() not in (*_YES, *_NO):
                raise ValueError("type y or n")
            return typed.lower() in _YES
        case "integer" | "number":
            return _number(typed, whole=field["type"] == "integer")
        case "string":
            return _choose(typed, choices)
        case _:
            return parse_json(typed)


def _choose(typed: str, choices: Mapping[str, str]) -> str:
    if not choices:
        return typed
    for value, name in choices.items():
        if typed.lower() in (value.lower(), name.lower()):
            return value
    raise ValueError(f"it is one of {', '.join(choices.values())}")


def _number(typed: str, *, whole: bool) -> int | float:
    try:
        return int(typed) if whole else float(typed)
    except ValueError:
        raise ValueError("it is a whole number" if whole else "it is a number") from None


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "y" if value else "n"
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value)))
    return str(value)
