"""Reads the arguments of a tool call, once: what is shown, checked, approved and run is one object.

Only what every reader of JSON reads alike is taken (RFC 7493, I-JSON). A text that one of them
would read otherwise is refused as a whole, so that nobody approves what does not run.
"""

import json
from typing import Any, NoReturn

from pydantic import JsonValue

from outlast.protocol import check_json

# Beyond these, readers that know only one kind of number, as JavaScript's, change the value.
_LARGEST_INTEGER = 2**53 - 1


class UnreadableArguments(ValueError):
    """The text is not an object that everybody reads alike. The message says why."""


def read_arguments(text: str) -> dict[str, JsonValue]:
    """Return the object that a model wrote as a call's arguments; nothing, or `null`, is `{}`.

    The result follows from the text alone, so a replay reads the same.

    Raises:
        UnreadableArguments: It is not a JSON object; it has a name twice, a number that is not
            finite or an integer beyond ±(2**53 - 1), half a Unicode character, or is nested too
            deeply.
    """
    if text.strip() in ("", "null"):
        return {}
    try:
        value: Any = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_int=_integer
        )
        check_json(value)
    except RecursionError as error:
        raise UnreadableArguments("they are nested too deeply") from error
    except ValueError as error:
        raise UnreadableArguments(str(error)) from error
    if not isinstance(value, dict):
        raise UnreadableArguments("they are not a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]  # JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} is there twice")
    return made


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) < 20 else None  # int() refuses thousands of digits
    if number is None or abs(number) > _LARGEST_INTEGER:
        raise ValueError(f"{digits[:20]}… is too large for a JSON number; write it as a text")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
