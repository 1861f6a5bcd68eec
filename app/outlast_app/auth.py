"""Who is calling, and whether they may: checked by every route but health, before all else."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from outlast.errors import MissingRight
from outlast_app.deps import Dependencies
from outlast_app.keyring import Caller
from outlast_app.prefer import wants
from outlast_app.rights import RIGHT_OF, Right, right_of
from outlast_app.sse import MEDIA_TYPE

_STARTS = frozenset({"POST /agents/{agent}/runs", "POST /runs/{run_id}/fork"})
_STREAMS = "GET /runs/{run_id}/events"


def caller_of(request: Request) -> Caller:
    """Return who sent a request that a `KeyedRoute` has let in."""
    return request.state.caller


# Not a plain `def`: FastAPI calls those in a thread of their own.
async def _caller(request: Request) -> Caller:
    return caller_of(request)


async def _tenant(caller: Annotated[Caller, Depends(_caller)]) -> str:
    return caller.tenant


KnownCaller = Annotated[Caller, Depends(_caller)]
Tenant = Annotated[str, Depends(_tenant)]


class KeyedRoute(APIRoute):
    """A route that reads the body of those only who may call it: FastAPI's checks come later.

    Sub-applications have a subclass with a table of their own.
    """

    table: ClassVar[Mapping[str, Right]] = RIGHT_OF

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Declare it.

        Raises:
            LookupError: Nobody has said which right it needs.
        """
        super().__init__(path, endpoint, **options)
        self._rights: dict[str, Right] = {
            method: right_of(f"{method} {path}", self.table) for method in self.methods or ()
        }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, if its caller may ask for that."""
        right = self._rights.get(scope["method"])
        if right is None:  # refused as what it is: a wrong method
            await super().handle(scope, receive, send)
            return
        request = Request(scope)
        caller = _admit(request, right)
        operation = f"{scope['method']} {self.path}"
        quotas = Dependencies.of(request).quotas
        with ExitStack() as held:
            request.state.held = held
            if operation == _STREAMS or (operation in _STARTS and _asks_for_stream(request)):
                held.enter_context(quotas.stream(caller))
            if operation in _STARTS:
                quotas.count_start(caller)
            # Until the answer is sent, or the client gone: for a stream, its end.
            await super().handle(scope, receive, send)


def check_right(caller: Caller, right: Right) -> None:
    """Refuse a call that needs a right which the caller lacks.

    Raises:
        MissingRight: With what to do.
    """
    if right not in caller.rights:
        raise MissingRight(
            f"The key {caller.key} lacks the right `{right}`, which this call needs. Send a key "
            f'that has it, or add "{right}" to the `rights` of this one in APP_KEYS.'
        )


def _asks_for_stream(request: Request) -> bool:
    return wants(MEDIA_TYPE, request.headers.getlist("accept"))


def _admit(request: Request, right: Right) -> Caller:
    """Let a request in; return whose it is.

    Raises:
        Unauthorized: Nobody knows the key.
        MissingRight: It may not do this.
    """
    caller = Dependencies.of(request).keyring.caller(request.headers.get("authorization"))
    request.state.caller = caller
    # For the log.
    request.state.tenant = caller.tenant
    if caller.key:
        request.state.key = caller.key
    check_right(caller, right)
    return caller
