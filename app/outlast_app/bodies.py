"""How a body is read: once, within bounds, and beside the event loop where it is large.

Nobody's body may hold up the others. So what costs more than its bytes is counted before anything
is made of it, and a refusal lists the first faults, not all of them.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from outlast.errors import InvalidRequest
from outlast.protocol import check_json, from_client

MAX_VALUES = 100_000
"""Of a body: texts, numbers, lists and objects. 8 MiB of empty lists would take seconds."""
_MAX_FAULTS = 20
_LARGE_BYTES = 64 * 1024
_JSON = re.compile(r"application/(\S+\+)?json")
_WHERE = re.compile(r" at line \d+ column \d+$")

M = TypeVar("M", bound=BaseModel)
P = ParamSpec("P")
T = TypeVar("T")


async def read_body(request: Request, kind: type[M]) -> M:
    """Read what a client sends: a field that is not known is a mistake.

    Raises:
        InvalidRequest: It is not what it has to be; with the fields at fault.
    """
    raw = await _receive(request)
    return await beside_loop(request, _read, partial(from_client, kind), raw)


async def read_open_body(request: Request, kind: type[M]) -> M:
    """Read what a client of another protocol sends: fields that are not known are ignored.

    Raises:
        InvalidRequest: It is not what it has to be; with the fields at fault.
    """
    raw = await _receive(request)
    return await beside_loop(request, _read, kind.model_validate, raw)


async def _receive(request: Request) -> bytes:
    # A web page can make a browser send text or a form to loopback, where there may be no keys,
    # but not JSON.
    kind_of_body = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _JSON.fullmatch(kind_of_body):
        wrong = "send JSON, and say so: content-type: application/json"
        raise InvalidRequest.at(("header.content-type", wrong))
    try:
        raw = await request.body()
    except ClientDisconnect:
        raise InvalidRequest.at(("body", "the connection ended before it was whole")) from None
    request.state.body_bytes = len(raw)
    return raw


async def beside_loop(
    request: Request, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Do work on a request's body, which was read, in a thread where it is large."""
    if request.state.body_bytes > _LARGE_BYTES:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


def made(kind: type[M], given: Mapping[str, Any], at: str = "body") -> M:
    """Make what the native interface takes of what a client of another protocol has sent.

    Whoever makes it without this answers 500 where it is not what it has to be.

    Args:
        kind: What is made.
        given: Its fields.
        at: Where they are in the client's body, as far as that is known.

    Raises:
        InvalidRequest: It is not what it has to be; with the fields at fault.
    """
    try:
        return from_client(kind, given)
    except ValidationError as error:
        raise refusal_of(error, given, at) from None


def _read(check: Callable[[Any], M], raw: bytes) -> M:
    value = parse(raw)
    try:
        return check(value)
    except ValidationError as error:
        raise refusal_of(error, value) from None


def parse(raw: bytes, at: str = "body") -> Any:
    """Read JSON that a client sends: a body, or a text within one that has JSON, at `at`.

    Raises:
        InvalidRequest: It is none that everybody can read, or more than is read.
    """
    if values_in(raw) > MAX_VALUES:
        raise too_many_values(at)
    try:
        value: Any = from_json(raw, allow_inf_nan=False)
        check_json(value)
    except ValueError as error:
        raise InvalidRequest.at((at, _what_is_wrong(raw, error))) from None
    return value


def too_many_values(at: str = "body") -> InvalidRequest:
    """Return the refusal of JSON that would cost more than its bytes."""
    advice = "put what is large into one text"
    return InvalidRequest.at((at, f"it has more than {MAX_VALUES} values; {advice}"))


def values_in(raw: bytes) -> int:
    """Return how many values JSON has, or more than there may be: without reading it."""
    if _separators(raw) < MAX_VALUES:  # those in texts included
        return _separators(raw) + 1
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 4 * MAX_VALUES:  # two for a text, as much for its name
        return MAX_VALUES + 1
    return _separators(b"".join(unescaped.split(b'"')[::2])) + 1


def _separators(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _what_is_wrong(raw: bytes, error: ValueError) -> str:
    """Return why JSON can't be read, with the place if there is one, in characters."""
    try:
        json.loads(raw)
    except json.JSONDecodeError as found:
        return f"not valid JSON at character {found.pos + 1}: {found.msg}"
    except (UnicodeDecodeError, RecursionError):
        return "it can't be read: send JSON, in UTF-8 and not deeply nested"
    except ValueError:
        pass
    # Python takes more for JSON than others do.
    return f"not JSON that everybody can read: {_WHERE.sub('', str(error))}"


def refusal_of(error: ValidationError, body: object, at: str = "body") -> InvalidRequest:
    """Return what is wrong with a body, or with what is at a place of it, field by field."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    # What may be of several types has a fault for each. Those where it is of another type
    # altogether say little: last.
    faults.sort(key=lambda fault: fault["type"] in {"string_type", "list_type"})
    told = [_explain(fault, body, at) for fault in faults[:_MAX_FAULTS]]
    return InvalidRequest.at(*told, more=len(faults) - len(told))


def _explain(fault: Mapping[str, Any], body: object, at: str) -> tuple[str, str]:
    """Return the field's path and what is wrong with it."""
    location = _fields(fault["loc"], body, missing=fault["type"] == "missing")
    return ".".join(str(part) for part in (at, *location)), fault["msg"]


def _fields(location: Sequence[str | int], body: object, *, missing: bool) -> list[str | int]:
    """Leave out what is not a field of the body: pydantic names the types it has tried, too."""
    found: list[str | int] = []
    value = body
    for part in location:
        if (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int)
        ):
            value = cast("Any", value)[part]
            found.append(part)
    return [*found, location[-1]] if missing and location else found
