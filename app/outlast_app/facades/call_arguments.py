"""Arguments of calls in a client's history: JSON in texts, into which no body's checks look."""

from collections.abc import Iterable
from typing import cast

from pydantic import JsonValue

from outlast.errors import InvalidRequest
from outlast_app.bodies import MAX_VALUES, parse, too_many_values, values_in


def read_arguments(text: str, at: str) -> dict[str, JsonValue]:
    """Return the arguments of a call.

    Args:
        text: Those; nothing is `{}`.
        at: Where they are in the body.

    Raises:
        InvalidRequest: They are no JSON object that everybody can read.
    """
    read = parse((text or "{}").encode(), at)
    if not isinstance(read, dict):
        raise InvalidRequest.at((at, "arguments are a JSON object, as a text"))
    return cast("dict[str, JsonValue]", read)


def check_arguments(texts: Iterable[str], at: str) -> None:
    """Refuse calls whose arguments have more values together than a body may.

    Raises:
        InvalidRequest: They have.
    """
    if sum(values_in(text.encode()) for text in texts) > MAX_VALUES:
        raise too_many_values(at)
