"""Renders every error as `application/problem+json`, in one place."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from outlast.errors import (
    BodyTooLarge,
    InternalProblem,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
)
from outlast.logging import get_logger
from outlast_app.access_log import route_of
from outlast_app.openapi import PROBLEM_TYPE
from outlast_app.prefix import path_of

_BY_STATUS: Mapping[int, type[Problem]] = {
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


def render(problem: Problem) -> Response:
    """Return the answer for a problem."""
    return _document(problem.document, problem.headers)


def _document(document: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    return Response(
        to_json(document), document["status"], headers=dict(headers), media_type=PROBLEM_TYPE
    )


async def _on_problem(_request: Request, error: Exception) -> Response:
    return render(cast("Problem", error))


async def _on_invalid(_request: Request, error: Exception) -> Response:
    # Of paths, queries and headers: bodies are `outlast_app.bodies`'.
    faults = cast("RequestValidationError", error).errors()
    return render(InvalidRequest.at(*(_explain(fault) for fault in faults)))


def _explain(fault: Mapping[str, Any]) -> tuple[str, str]:
    """Return the parameter's place and name, and what is wrong with it."""
    return ".".join(str(part) for part in fault["loc"]), fault["msg"]


async def _on_http(request: Request, raised: Exception) -> Response:
    error = cast("HTTPException", raised)
    kind = _BY_STATUS.get(error.status_code)
    headers = dict(error.headers or {})
    if kind is MethodNotAllowed:
        # The routes of one path are apart from each other, and each knows its own methods only.
        headers = {"Allow": ", ".join(_methods_at(request))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    if kind is None:
        detail = error.detail or HTTPStatus(error.status_code).phrase
        document = {
            "type": "about:blank",
            "title": HTTPStatus(error.status_code).phrase,
            "status": error.status_code,
            "detail": detail,
        }
        return _document(document, headers)
    details: Mapping[type[Problem], str] = {
        NotFound: "See /docs for the addresses of this server.",
        MethodNotAllowed: "See /docs for what this address takes.",
        BodyTooLarge: "Send less: the limit is APP_MAX_BODY_BYTES, which is 8 MiB at most.",
    }
    return render(kind(details[kind], headers=headers))


def _methods_at(request: Request) -> list[str]:
    """Return the methods that the request's path takes."""
    path = path_of(request.scope)
    methods = {"OPTIONS"}
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(path):
            methods |= route.methods or set()
    return sorted(methods)


async def _on_bug(request: Request, error: Exception) -> Response:
    _logger.error("request_failed", route=route_of(request.scope), exc_info=error)
    return render(InternalProblem("This is a bug; the server's log has its trace."))
