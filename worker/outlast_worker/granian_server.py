"""Serves by granian, whose HTTP/2 is Rust. Imported where it is chosen, since it is an extra."""

import asyncio

from granian.constants import Interfaces
from granian.http import HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server

from outlast_worker.http_servers import MAX_STREAMS, App
from outlast_worker.listening import Listener

# Into the worker's own log.
_LOGGING = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}
# More than there ever are: what goes beyond is left waiting.
_MAX_CONNECTIONS = 100_000


async def serve_by_granian(app: App, listener: Listener, stop: asyncio.Event) -> None:
    """Serve until told to stop, and until the requests in flight have ended."""
    host, port = listener.release()
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        backpressure=_MAX_CONNECTIONS,
        http2_settings=HTTP2Settings(max_concurrent_streams=MAX_STREAMS),
        # Else it warns at each start that being embedded is experimental; the docs say so.
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
    )
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        server.stop()
        await serving
    finally:
        stopping.cancel()
        serving.cancel()
