"""What a request of another protocol brings along, whatever it asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ParamSpec, Self, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel

from outlast.agent import Agent
from outlast.errors import InvalidRequest
from outlast.names import RunRef
from outlast.trace import Trace
from outlast_app.bodies import beside_loop, made
from outlast_app.deps import Dependencies
from outlast_app.facades.called import CalledRuns
from outlast_app.keyring import Caller
from outlast_app.runs.orders import find_agent

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_MAX_KEY_CHARS = 256


@dataclass(frozen=True)
class Asked:
    """A request: who asks, with what, and what serves it."""

    request: Request
    deps: Dependencies
    caller: Caller
    idempotency_key: str | None
    trace: Trace | None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read what every request may have.

        Raises:
            InvalidRequest: The idempotency key is too long.
        """
        key = request.headers.get("idempotency-key") or None
        if key and len(key) > _MAX_KEY_CHARS:
            wrong = f"has {_MAX_KEY_CHARS} characters at most"
            raise InvalidRequest.at(("header.idempotency-key", wrong))
        state = ",".join(request.headers.getlist("tracestate"))
        trace = Trace.read(request.headers.get("traceparent", ""), state)
        return cls(request, Dependencies.of(request), request.state.caller, key, trace)

    @property
    def tenant(self) -> str:
        """Whose runs are asked for."""
        return self.caller.tenant

    def agent(self, name: str) -> Agent:
        """Return an agent.

        Raises:
            UnknownAgent: There is none of this name; it says which there are.
        """
        return find_agent(self.deps.registry, name)

    def hold_stream(self) -> None:
        """Take one of the streams that the caller may have open, until the request is over; once.

        What is to be streamed takes it before anything is started: who is refused one, and comes
        again, would start another run each time.

        Raises:
            KeyLimit: The caller has as many open as it may.
        """
        state = self.request.state
        if not getattr(state, "holds_stream", False):
            state.held.enter_context(self.deps.quotas.stream(self.caller))
            state.holds_stream = True

    def called_runs(self, *, insists: bool = True) -> CalledRuns:
        """Follow what runs below one ask people.

        Args:
            insists: Whether to read until somebody can tell; else that is a problem at once.
        """
        reads = self.deps.approvals
        return CalledRuns(self.tenant, reads.of if insists else reads.of_soon, reads.of_soon)

    async def beside_loop(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work on the body, which was read, in a thread where it is large."""
        return await beside_loop(self.request, work, *args, **kwargs)


async def _asked(request: Request) -> Asked:
    return Asked.of(request)


Asking = Annotated[Asked, Depends(_asked)]


def checked(at: str, kind: type[M], **given: Any) -> M:
    """Make a value of ours of what a client has given at a path.

    Raises:
        InvalidRequest: It can't be; with where, in the client's request.
    """
    return made(kind, given, at)


def name_run(request: Request, ref: RunRef) -> dict[str, str]:
    """Have the log say which run a request is about; return the headers that tell the client."""
    request.state.run_id = ref.run_id
    return {"x-run-id": ref.run_id, "Location": f"/runs/{ref.run_id}"}
