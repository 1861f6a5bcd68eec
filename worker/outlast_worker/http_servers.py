"""Who speaks HTTP with Restate, as `WORKER_HTTP_SERVER` says."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import hypercorn.asyncio

from outlast_worker.asgi import Receive, Scope, Send
from outlast_worker.installed import NotInstalled
from outlast_worker.listening import Listener
from outlast_worker.settings import HttpServer

MAX_STREAMS = 10_000
"""Of a connection from Restate: each holds a run."""
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Serve = Callable[[App, Listener, asyncio.Event], Awaitable[None]]
_NEVER_S = 3600.0


def choose_server(name: HttpServer) -> Serve:
    """Return what serves until it is told to stop, and until the requests in flight have ended.

    Raises:
        NotInstalled: With what to run.
    """
    if name == "hypercorn":
        return _serve_by_hypercorn
    if find_spec("granian") is None:
        raise NotInstalled(
            "WORKER_HTTP_SERVER=granian needs granian, which is not installed. Run: "
            'pip install "outlast-worker[granian]"'
        )
    return import_module("outlast_worker.granian_server").serve_by_granian


async def _serve_by_hypercorn(app: App, listener: Listener, stop: asyncio.Event) -> None:
    listener.graceful_timeout = _NEVER_S
    listener.h2_max_concurrent_streams = MAX_STREAMS
    # By default a connection ends after 1,000 requests, under the runs that are on it; and after
    # 5 s without any, in which Restate may just send one. Restate itself ends idle connections.
    listener.keep_alive_max_requests = sys.maxsize
    listener.keep_alive_timeout = _NEVER_S
    listener.accesslog = None
    # Nobody reads them.
    listener.include_date_header = listener.include_server_header = False
    listener.errorlog = logging.getLogger("hypercorn.error")
    asgi: Any = app  # hypercorn types it more narrowly
    await hypercorn.asyncio.serve(asgi, listener, shutdown_trigger=stop.wait)  # pyright: ignore[reportUnknownMemberType]  # its types are incomplete
