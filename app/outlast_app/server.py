"""What serves the app, alone in its process or beside the worker."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar

import uvicorn
from fastapi import FastAPI

from outlast_app.closing import Closing
from outlast_app.http_limits import LimitedHttp

_SHUTDOWN_S = 3
# Longer than a load balancer's, 60 s of most: it must be the one that ends an idle connection, or
# its next request may meet the end of ours.
_KEEP_ALIVE_S = 75


class AppServer(uvicorn.Server):
    """uvicorn's server; tells those who wait when it was told to end."""

    _log_level: ClassVar[str | None] = None

    def __init__(
        self, app: FastAPI, closing: Closing, *, host: str = "127.0.0.1", port: int = 8070
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http=LimitedHttp,
                ws="none",
                log_config=None,
                log_level=self._log_level,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the app asks who has really connected
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
        )
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: called on the event loop, a moment after the signal."""
        self._closing.begin()
        await super().shutdown(sockets)


class GuestServer(AppServer):
    """The same in a process that says itself what it serves, and when to end: `should_exit`."""

    _log_level = "warning"

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`, or until cancelled: the app's lifespan ends in either case."""
        try:
            await super().serve(sockets)
        except asyncio.CancelledError:
            if self.started:
                await self.shutdown(sockets)
            elif lifespan := getattr(self, "lifespan", None):
                await lifespan.shutdown()
            raise

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process."""
        yield
