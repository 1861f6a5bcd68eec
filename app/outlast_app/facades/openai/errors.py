"""How OpenAI's clients are told what is wrong.

Their libraries send a request again by themselves on 408, 409, 429 and 5xx, which could start a
second run. So nothing is 409 here, and what they must not repeat says so: they obey
`x-should-retry`.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi.responses import Response
from pydantic_core import to_json

from outlast.errors import InvalidRequest, Problem
from outlast_app.facades.faults import Fault, fault_of

_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_REPEATED_BY_CLIENTS = frozenset({408, 409, 429})
_BODY = re.compile(r"^body\.(options\.)?")


class Refused(Exception):
    """A request that OpenAI's API has a word for, and the native interface none.

    Attributes:
        fault: Its status and code.
        message: What is wrong, and what to do.
        param: The parameter at fault.
        run_id: The run that it is about, if there is one already.
    """

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        run_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.fault = Fault(status, code)
        self.message = message
        self.param = param
        self.run_id = run_id

    @classmethod
    def of(cls, fault: Fault, message: str, run_id: str) -> "Refused":
        """Return the refusal of an answer to a request that has become a run."""
        return cls(fault.code, message, status=fault.status, run_id=run_id)


def unsupported(param: str, why: str) -> Refused:
    """Return the refusal of a parameter, or of a value that it has."""
    return Refused("unsupported_parameter", f"{param}: {why}", param)


@contextmanager
def renaming(names: Mapping[str, str]) -> Generator[None]:
    """Name the fields of a native start as the client does, in a problem with them.

    Args:
        names: Its names, by those of the native interface.
    """
    try:
        yield
    except InvalidRequest as problem:
        for fault in problem.extra.get("errors", ()):
            name, dot, rest = fault["field"].removeprefix("body.").partition(".")
            if name in names:
                fault["field"] = f"body.{names[name]}{dot}{rest}"
        raise


def show_problem(problem: Problem) -> Response:
    """Return the answer for a problem."""
    fault = fault_of(problem)
    run_id = problem.extra.get("run_id")
    headers = {**problem.headers, **_headers(fault, run_id)}
    faults: list[Mapping[str, str]] = problem.extra.get("errors") or []
    params = [_param_of(each["field"]) for each in faults]
    message = problem.detail
    if any(params):
        told = zip(params, faults, strict=True)
        message = "; ".join(f"{param}: {each['message']}" for param, each in told)
    param = next(iter(params), None)
    return Response(
        to_json({"error": error_of(fault, message, param)}),
        _status_of(fault),
        headers=headers,
        media_type="application/json",
    )


def show_refused(refused: Refused) -> Response:
    """Return the answer for what OpenAI's API alone refuses."""
    return Response(
        to_json({"error": error_of(refused.fault, refused.message, refused.param)}),
        _status_of(refused.fault),
        headers=_headers(refused.fault, refused.run_id),
        media_type="application/json",
    )


def error_of(fault: Fault, message: str, param: str | None = None) -> dict[str, Any]:
    """Return what is in an error's `error`."""
    kind = _TYPES.get(_status_of(fault), "invalid_request_error")
    if _status_of(fault) >= 500:
        kind = "server_error"
    code = None if fault.code == kind else fault.code
    return {"message": message, "type": kind, "param": param, "code": code}


def _status_of(fault: Fault) -> int:
    return 400 if fault.status == 409 else fault.status


def _headers(fault: Fault, run_id: object) -> dict[str, str]:
    headers: dict[str, str] = {}
    status = _status_of(fault)
    if status in _REPEATED_BY_CLIENTS or status >= 500:
        headers["x-should-retry"] = "true" if fault.may_repeat else "false"
    if isinstance(run_id, str):
        headers["x-run-id"] = run_id
    return headers


def _param_of(field: str) -> str | None:
    if not _BODY.match(field):
        return None
    return _BODY.sub("", field)
