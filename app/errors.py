"""Renders every error as `application/problem+json`, in one place."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shared.errors import (
    BodyTooLarge,
    InternalProblem,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    problem_types,
)
from shared.logging import get_logger
from shared.protocol import ProblemDocument

_MEDIA_TYPE = "application/problem+json"
_BY_STATUS: Mapping[int, type[Problem]] = {
    400: InvalidRequest,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}
_logger = get_logger()


def add_error_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def problem_responses() -> dict[int | str, dict[str, Any]]:
    """Describe all problems for the OpenAPI document, one entry per status."""
    by_status: dict[int | str, list[str]] = {}
    for kind in problem_types():
        by_status.setdefault(kind.status, []).append(f"`{kind.slug}`: {kind.title}.")
    return {
        status: {
            "model": ProblemDocument,
            "description": " ".join(lines),
            "content": {_MEDIA_TYPE: {}},
        }
        for status, lines in by_status.items()
    }


def render(problem: Problem) -> Response:
    """Return the answer for a problem."""
    document = {
        "type": problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    return Response(
        orjson.dumps(document), problem.status, headers=problem.headers, media_type=_MEDIA_TYPE
    )


async def _on_problem(_request: Request, error: Exception) -> Response:
    return render(cast("Problem", error))


async def _on_invalid(_request: Request, error: Exception) -> Response:
    faults = cast("RequestValidationError", error).errors()
    # What may be of several types has a fault for each. Those where it is of another type
    # altogether say little: last.
    errors = [_explain(fault) for fault in sorted(faults, key=_is_of_other_type)]
    first = errors[0]
    return render(InvalidRequest(f"{first['field']}: {first['message']}", extra={"errors": errors}))


def _is_of_other_type(fault: Mapping[str, Any]) -> bool:
    return fault["type"] in {"string_type", "list_type"}


def _explain(fault: Mapping[str, Any]) -> dict[str, str]:
    if fault["type"] == "json_invalid":
        character, reason = fault["loc"][1] + 1, fault["ctx"]["error"]
        message = f"not valid JSON at character {character}: {reason}"
        return {"field": "body", "message": message}
    # FastAPI reads JSON only where the header says so, and so it must be: any web page can make
    # a browser send text or a form to loopback, where there may be no keys, but not JSON.
    if isinstance(fault["input"], bytes):
        message = "send JSON, and say so: content-type: application/json"
        return {"field": "header.content-type", "message": message}
    return {"field": _path(fault["loc"]), "message": fault["msg"]}


def _path(location: Sequence[str | int]) -> str:
    # A field's name may be half a Unicode character, which no answer can repeat.
    return ".".join(str(part) for part in location).encode(errors="replace").decode()


async def _on_http(_request: Request, raised: Exception) -> Response:
    error = cast("HTTPException", raised)
    kind = _BY_STATUS.get(error.status_code)
    headers = dict(error.headers or {})
    if kind is None:
        detail = error.detail or HTTPStatus(error.status_code).phrase
        document = {
            "type": "about:blank",
            "title": HTTPStatus(error.status_code).phrase,
            "status": error.status_code,
            "detail": detail,
        }
        return Response(
            orjson.dumps(document), error.status_code, headers=headers, media_type=_MEDIA_TYPE
        )
    details: Mapping[type[Problem], str] = {
        InvalidRequest: "The body can't be read: send JSON, in UTF-8 and not deeply nested.",
        NotFound: "See /docs for the addresses of this server.",
        MethodNotAllowed: "See /docs for what this address takes.",
        BodyTooLarge: "Send less: the limit is APP_MAX_BODY_BYTES, which is 8 MiB at most.",
    }
    return render(kind(details[kind], headers=headers))


async def _on_bug(request: Request, error: Exception) -> Response:
    _logger.error("request_failed", path=request.url.path, exc_info=error)
    return render(InternalProblem("This is a bug; the server's log has its trace."))
