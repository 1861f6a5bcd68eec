"""Who is calling: checked by every route but health, before it reads anything else."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from outlast_app.deps import Dependencies

# Only describes the scheme in the OpenAPI document: the keyring decides.
_bearer = HTTPBearer(auto_error=False, description="A key of `APP_KEYS`, if there are any.")


# Not a plain `def`: FastAPI calls those in a thread of their own.
async def _tenant(request: Request, _credentials: Annotated[object, Security(_bearer)]) -> str:
    return request.state.tenant


Tenant = Annotated[str, Depends(_tenant)]


class KeyedRoute(APIRoute):
    """A route that reads the body of known callers only: FastAPI reads it before dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the check."""
        handle = super().get_route_handler()

        async def handle_known(request: Request) -> Response:
            keyring = Dependencies.of(request).keyring
            request.state.tenant = keyring.tenant(request.headers.get("authorization"))
            return await handle(request)

        return handle_known
