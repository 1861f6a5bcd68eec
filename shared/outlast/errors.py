"""The error tree of both processes, split by who must act.

    OutlastError
    ├── DefinitionError          the author of an agent file, when it is imported
    ├── Problem                  an HTTP answer (RFC 9457)
    │   ├── CallerProblem        4xx: the caller
    │   └── OperatorProblem      5xx: whoever runs the system
    ├── ToolError                the model: the text of a tool result
    │   └── InDoubt              a person, where the tool is `once`: did it happen?
    ├── StepError                the author of a durable tool, in its code
    └── ToolStopped              nobody: a durable tool that is to end

A run that fails does not raise: it ends with a `RunError` (see `outlast.protocol`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class OutlastError(Exception):
    """Base of every error that this project raises on purpose."""


class DefinitionError(OutlastError, ValueError):
    """An agent or a tool is declared wrongly. The message says how to mend it."""


class ToolError(OutlastError):
    """A tool call that failed in a way that the model can act on.

    Raise it in a tool to choose the text: the model reads it, and so do clients. Of any other
    exception the model is told class and text, and clients the class.
    """


class InDoubt(ToolError):
    """A call of a `once` tool that may or may not have happened: a lost connection, a timeout.

    Raise it in the tool. `verify`, or a person, then finds out; in other tools it is a `ToolError`.
    """


class StepError(OutlastError):
    """A step of a durable tool failed for good.

    Attributes:
        kind: The name of the class of what it raised.
        text: What that said. Clients are not shown it.
    """

    def __init__(self, step: str, kind: str, text: str) -> None:
        super().__init__(f"step {step}: {kind}: {text}")
        self.step = step
        self.kind = kind
        self.text = text


class ToolStopped(OutlastError):
    """A durable tool is cancelled, or its time is over: it can begin nothing more.

    Let it pass. What has to be undone, undo in a tool of its own, or let the model decide.
    """


class Problem(OutlastError):
    """An error that is answered as `application/problem+json`.

    Attributes:
        slug: The stable short name that clients match on (`type` in the answer).
        title: The same for every answer of this type.
        status: The HTTP status.
        retry_after_s: For what may soon be over; sent as `Retry-After`.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    retry_after_s: ClassVar[int | None] = None

    def __init__(
        self,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what is wrong and what to do.

        Args:
            detail: For a person, this occurrence.
            headers: Sent with the answer, such as `Location`.
            extra: Further members of the problem document.
        """
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        if self.retry_after_s is not None:
            self.headers.setdefault("Retry-After", str(self.retry_after_s))
        self.extra = dict(extra or {})

    @property
    def document(self) -> dict[str, Any]:
        """The answer's body."""
        known = {"type": self.slug, "title": self.title, "status": self.status}
        return {**known, "detail": self.detail, **self.extra}


class CallerProblem(Problem):
    """4xx: the request has to change."""


class OperatorProblem(Problem):
    """5xx: the request was fine; a part of the system is not."""


class Unauthorized(CallerProblem):
    slug, title, status = "unauthorized", "The key is missing or wrong", 401


class MissingRight(CallerProblem):
    slug, title, status = "missing-right", "The key may not do this", 403


class ForeignPage(CallerProblem):
    slug, title, status = "foreign-page", "Web pages of other origins may not do this", 403


class ForeignHost(CallerProblem):
    slug, title, status = "foreign-host", "This server does not go by that name", 421


class MalformedRequest(CallerProblem):
    slug, title, status = "malformed-request", "The request is not HTTP", 400


class RequestTooSlow(CallerProblem):
    slug, title, status = "request-too-slow", "The request takes too long to come", 408


class AddressTooLong(CallerProblem):
    slug, title, status = "address-too-long", "The address is too long", 414


class HeadersTooLarge(CallerProblem):
    slug, title, status = "headers-too-large", "The headers are too large", 431


class UnknownAgent(CallerProblem):
    slug, title, status = "unknown-agent", "There is no agent of this name", 404


class UnknownRun(CallerProblem):
    slug, title, status = "unknown-run", "There is no such run", 404


class UnknownThread(CallerProblem):
    slug, title, status = "unknown-thread", "There is no such thread", 404


class UnknownApproval(CallerProblem):
    slug, title, status = "unknown-approval", "There is no such approval", 404


class NotRecorded(CallerProblem):
    slug, title, status = "not-recorded", "The run has no such record", 404


class UnknownCall(CallerProblem):
    slug, title, status = "unknown-call", "There is no such call of a client's tool", 404


class UnknownSignal(CallerProblem):
    slug, title, status = "unknown-signal", "No open call takes this signal", 404


class UnknownDelivery(CallerProblem):
    slug, title, status = "unknown-delivery", "The run's webhooks have no such delivery", 404


class NotFound(CallerProblem):
    slug, title, status = "not-found", "There is nothing at this address", 404


class MethodNotAllowed(CallerProblem):
    slug, title, status = "method-not-allowed", "The method does not fit this address", 405


class RunEnded(CallerProblem):
    slug, title, status = "run-ended", "The run has ended already", 409


class AlreadyDecided(CallerProblem):
    slug, title, status = "already-decided", "It was decided otherwise already", 409


class AlreadyAnswered(CallerProblem):
    slug, title, status = "already-answered", "It was answered otherwise already", 409


class SignalConflict(CallerProblem):
    slug, title, status = "signal-conflict", "The signal can't be taken as it is", 409


class RunNotPaused(CallerProblem):
    slug, title, status = "run-not-paused", "The run is not paused", 409


class RunNotEnded(CallerProblem):
    slug, title, status = "run-not-ended", "The run has not ended", 409


class ThreadExists(CallerProblem):
    slug, title, status = "thread-exists", "There is a thread of this name", 409


class ThreadBusy(CallerProblem):
    slug, title, status = "thread-busy", "A run holds this thread", 409


class ThreadMoved(CallerProblem):
    slug, title, status = "thread-moved", "The thread has gone on meanwhile", 409


class ThreadFull(CallerProblem):
    slug, title, status = "thread-full", "Too many runs wait for this thread", 429
    retry_after_s = 5


class BodyTooLarge(CallerProblem):
    slug, title, status = "body-too-large", "The request body is too large", 413


class InvalidRequest(CallerProblem):
    slug, title, status = "invalid-request", "The request is not valid", 422

    @classmethod
    def at(cls, *faults: tuple[str, str], more: int = 0) -> "InvalidRequest":
        """Refuse a request for its fields, each given with what is wrong with it.

        Args:
            faults: The first ones, at least one.
            more: How many others there are.
        """
        errors = [{"field": field, "message": message} for field, message in faults]
        others = f" (and {more} faults more than are listed)" if more else ""
        return cls(f"{faults[0][0]}: {faults[0][1]}{others}", extra={"errors": errors})


class IdempotencyConflict(CallerProblem):
    slug, title, status = (
        "idempotency-conflict",
        "The idempotency key was used with another body",
        422,
    )

    def __init__(self, detail: str) -> None:
        """Say what the key belongs to, and what to do."""
        fault = {"field": "header.idempotency-key", "message": self.title}
        super().__init__(detail, extra={"errors": [fault]})


class KeyLimit(CallerProblem):
    slug, title, status = "key-limit", "The key has as much as it may have", 429
    retry_after_s = 5


class InternalProblem(OperatorProblem):
    slug, title, status = "internal", "An error of this server", 500


class BadGateway(OperatorProblem):
    slug, title, status = "restate-unexpected", "Restate answered what it should not", 502


class RestateUnavailable(OperatorProblem):
    slug, title, status = "restate-unavailable", "Restate can't be reached", 503
    retry_after_s = 1


class AdminUnavailable(OperatorProblem):
    slug, title, status = "admin-unavailable", "Restate's admin API does not answer", 503
    retry_after_s = 1


class WorkerUnavailable(OperatorProblem):
    slug, title, status = "worker-unavailable", "The worker does not answer", 503
    retry_after_s = 1


class NotRegistered(OperatorProblem):
    slug, title, status = "not-registered", "The worker is not registered", 503
    retry_after_s = 1
    how = "`outlast register`, `make register`, or `python -m outlast_worker register`"


def problem_types() -> list[type[Problem]]:
    """Return every concrete problem, in the order of this file."""
    return [*CallerProblem.__subclasses__(), *OperatorProblem.__subclasses__()]
