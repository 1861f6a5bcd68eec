"""One line for each request when it ends: who asked for what, and how it was answered.

Never a path as it came, a query, a header or a body: any of them may hold what is secret.
"""

import time
from collections.abc import Mapping

from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.logging import get_logger
from outlast_app.prefix import mount_of
from outlast_app.probes import PROBES

_logger = get_logger()


class AccessLog:
    """A middleware around all the others. A stream is a request that takes long to end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        status: int | None = None  # null in the log: there was no answer

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            status = status or 500  # answered further out
            raise
        finally:
            _write(scope, status, time.perf_counter() - began)


def route_of(scope: Scope) -> str | None:
    """Return the path of a request as its route is declared; None if it has none."""
    route = scope.get("route")
    if route is None or isinstance(route, Mount):  # a sub-application has no such route
        return None
    return mount_of(scope) + route.path


def _write(scope: Scope, status: int | None, duration_s: float) -> None:
    route = route_of(scope)
    # What routes have found out: see `outlast_app.auth` and `outlast_app.routes.parameters`.
    known: Mapping[str, str] = scope.get("state") or {}
    write = _logger.debug if route in PROBES else _logger.info
    write(
        "request_ended",
        method=scope["method"],
        route=route,
        status=status,
        duration_ms=round(duration_s * 1000, 1),
        **{name: known[name] for name in ("tenant", "key", "run_id") if name in known},
    )
