"""Says what is wrong with settings: one line for each fault, with its variable and what to write.

No line has a value of the environment in it: that may be a key.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode

from outlast.errors import OutlastError
from outlast.settings_names import slip_for, variables

S = TypeVar("S", bound=BaseSettings)
T = TypeVar("T")

_VERDICTS: Mapping[str, str] = {
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object",
    "extra_forbidden": "is not known",
    "float_parsing": "must be a number",
    "frozen_set_type": "must be a list",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "list_type": "must be a list",
    "missing": "is missing",
    "model_type": "must be an object",
    "path_not_file": "must be the path of a file that is there",
    "string_type": "must be a text",
}


class InvalidSettings(OutlastError):
    """Settings that can't be used. The message has one line for each fault."""


def read_settings(kind: type[S], **chosen: Any) -> S:
    """Read settings from the environment and `.env`.

    Args:
        kind: Which ones.
        chosen: Fields that are known already, and come before what is read.

    Raises:
        InvalidSettings: With what to write.
    """
    _refuse(_faults(kind, chosen))
    return kind(**chosen)


def check_settings(*kinds: type[BaseSettings]) -> None:
    """Refuse what is not valid in the environment and `.env`.

    Raises:
        InvalidSettings: With what to write.
    """
    _refuse(fault for kind in kinds for fault in _faults(kind, {}))


def _refuse(faults: Iterable[str]) -> None:
    # A setting that several kinds have has one line.
    if lines := dict.fromkeys(faults):
        raise InvalidSettings("\n".join(("The settings are not valid:", *lines)))


def _faults(kind: type[BaseSettings], chosen: Mapping[str, Any]) -> Iterator[str]:
    try:
        kind(**chosen)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            yield _line(kind, fault)


def _line(kind: type[BaseSettings], fault: ErrorDetails) -> str:
    if not fault["loc"]:  # a check of several settings, which names them
        return _verdict(fault)
    place, *path = fault["loc"]
    variable, field = next(
        (variable, field)
        for variable, (name, field) in variables(kind).items()
        if place in (name, field.validation_alias)
    )
    example = next(iter(field.examples or ()), "")
    where = "".join(_step(part, example) for part in path)
    advice = f"; write it like {example}" if example else ""
    verdict = _verdict(fault)
    if verdict.startswith(_VERDICTS["missing"]) and (slip := slip_for(variable, kind)):
        advice += f" ({slip} is given: did you mean {variable}?)"
    return f"{variable}{where} {verdict}{advice}"


def _step(part: int | str, example: str) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    # A name that is not in the example may be a key at the wrong place.
    if part == "[key]":  # a fault of a name, which stands before this
        return ""
    return f".{part}" if f'"{part}"' in example else ".…"


def _verdict(fault: ErrorDetails) -> str:
    if fault["type"] == "value_error":
        return str(fault.get("ctx", {})["error"])
    return _VERDICTS.get(fault["type"]) or fault["msg"].replace("Input should be", "must be")


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON ({error.msg} at character {error.pos + 1})") from error


# Not pydantic-settings' own decoding, which ends at the first fault and calls it by its source.
FromJson = Annotated[T, NoDecode, BeforeValidator(_from_json)]
"""A setting that is written as JSON; its first `examples` is shown when it is wrong."""
