"""Renders every error as `application/problem+json`, in one place."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.routing import Mount

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
from outlast_app.prefix import mount_of, path_of

_BY_STATUS: Mapping[int, type[Problem]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}
_logger = get_logger()


def render(problem: Problem) -> Response:
    """Return the answer for a problem."""
    return _document(problem.document, problem.headers)


def add_error_handlers(app: FastAPI, shape: Callable[[Problem], Response] = render) -> None:
    """Make every error of an app a problem, in the shape that its clients read."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        return shape(cast("Problem", error))

    async def on_invalid(_request: Request, error: Exception) -> Response:
        # Of paths, queries and headers: bodies are `outlast_app.bodies`'.
        faults = cast("RequestValidationError", error).errors()
        return shape(InvalidRequest.at(*(_explain(fault) for fault in faults)))

    async def on_http(request: Request, raised: Exception) -> Response:
        error = cast("HTTPException", raised)
        problem = _problem_at(request, error)
        if problem is None:
            return _undefined(error)
        if isinstance(problem, MethodNotAllowed) and request.method == "OPTIONS":
            return Response(status_code=204, headers=problem.headers)
        return shape(problem)

    async def on_bug(request: Request, error: Exception) -> Response:
        _logger.error("request_failed", route=route_of(request.scope), exc_info=error)
        return shape(InternalProblem("This is a bug; the server's log has its trace."))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)


def _document(document: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    return Response(
        to_json(document), document["status"], headers=dict(headers), media_type=PROBLEM_TYPE
    )


def _explain(fault: Mapping[str, Any]) -> tuple[str, str]:
    """Return the parameter's place and name, and what is wrong with it."""
    return ".".join(str(part) for part in fault["loc"]), fault["msg"]


def _undefined(error: HTTPException) -> Response:
    title = HTTPStatus(error.status_code).phrase
    document = {
        "type": "about:blank",
        "title": title,
        "status": error.status_code,
        "detail": error.detail or title,
    }
    return _document(document, error.headers or {})


def _problem_at(request: Request, error: HTTPException) -> Problem | None:
    """Return the problem that an error of the framework is, if it is one of ours."""
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        return None
    headers = dict(error.headers or {})
    if kind is MethodNotAllowed:
        # The routes of one path are apart from each other, and each knows its own methods only.
        headers = {"Allow": ", ".join(_methods_at(request))}
    docs = f"{mount_of(request.scope)}/docs"
    details: Mapping[type[Problem], str] = {
        NotFound: f"See {docs} for the addresses of this server.",
        MethodNotAllowed: f"See {docs} for what this address takes.",
        BodyTooLarge: "Send less: the limit is APP_MAX_BODY_BYTES, which is 8 MiB at most.",
    }
    return kind(details[kind], headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Return the methods that the request's path takes."""
    path = path_of(request.scope)
    methods = {"OPTIONS"}
    for route in iter_route_contexts(request.app.routes):
        if not isinstance(route.original_route, Mount) and route.path_regex.match(path):
            methods |= route.methods or set()
    return sorted(methods)
