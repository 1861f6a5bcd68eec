"""What is wrong with a request, in a word and a status that protocols have in common."""

from collections.abc import Mapping
from typing import NamedTuple

from outlast.errors import (
    AddressTooLong,
    AlreadyAnswered,
    AlreadyDecided,
    BadGateway,
    BodyTooLarge,
    ForeignHost,
    ForeignPage,
    HeadersTooLarge,
    IdempotencyConflict,
    InternalProblem,
    InvalidRequest,
    KeyLimit,
    MethodNotAllowed,
    MissingRight,
    NotFound,
    NotRegistered,
    OperatorProblem,
    Problem,
    RunEnded,
    RunNotEnded,
    ThreadBusy,
    ThreadExists,
    ThreadFull,
    ThreadMoved,
    Unauthorized,
    UnknownAgent,
    UnknownApproval,
    UnknownCall,
    UnknownRun,
    UnknownThread,
)


class Fault(NamedTuple):
    """What a protocol's client is told.

    Attributes:
        status: The HTTP status where it has its plain meaning; a protocol may have others.
        code: A stable word. Where a protocol has one of its own for it, that is this one.
        may_repeat: Whether the same request, sent again as it is, can start nothing twice, and may
            help. False as soon as Restate may have accepted a run.
    """

    status: int
    code: str
    may_repeat: bool = False


_NOT_THERE = Fault(404, "not_found")
_FAULTS: Mapping[type[Problem], Fault] = {
    Unauthorized: Fault(401, "invalid_api_key"),
    MissingRight: Fault(403, "missing_right"),
    ForeignPage: Fault(403, "foreign_page"),
    ForeignHost: Fault(421, "foreign_host"),
    UnknownAgent: Fault(404, "model_not_found"),
    UnknownRun: _NOT_THERE,
    UnknownThread: _NOT_THERE,
    UnknownApproval: _NOT_THERE,
    UnknownCall: _NOT_THERE,
    NotFound: _NOT_THERE,
    MethodNotAllowed: Fault(405, "method_not_allowed"),
    InvalidRequest: Fault(400, "invalid_request_error"),
    IdempotencyConflict: Fault(400, "idempotency_conflict"),
    AlreadyDecided: Fault(409, "already_decided"),
    AlreadyAnswered: Fault(409, "already_decided"),
    RunEnded: Fault(409, "already_ended"),
    RunNotEnded: Fault(409, "not_ended"),
    ThreadBusy: Fault(409, "conversation_busy"),
    ThreadMoved: Fault(409, "conversation_busy"),
    ThreadExists: Fault(409, "conversation_exists"),
    ThreadFull: Fault(429, "conversation_busy", may_repeat=True),
    KeyLimit: Fault(429, "rate_limit_exceeded", may_repeat=True),
    BodyTooLarge: Fault(413, "request_too_large"),
    AddressTooLong: Fault(414, "request_too_large"),
    HeadersTooLarge: Fault(431, "request_too_large"),
    InternalProblem: Fault(500, "server_error"),
    BadGateway: Fault(502, "server_error"),
    NotRegistered: Fault(503, "unavailable", may_repeat=True),
}


def fault_of(problem: Problem) -> Fault:
    """Return what it is for clients of protocols."""
    known = _FAULTS.get(type(problem))
    if known is None and isinstance(problem, OperatorProblem):
        # Those that name a run come after Restate may have accepted it.
        return Fault(problem.status, "unavailable", may_repeat="run_id" not in problem.extra)
    if known is None:
        return Fault(problem.status, problem.slug.replace("-", "_"))
    return known._replace(may_repeat=known.may_repeat and "run_id" not in problem.extra)
