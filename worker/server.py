"""The worker's HTTP side: Restate's endpoint under its journal version, and health."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import restate
from restate.server import install_shutdown_hook

from shared.logging import get_logger
from worker.model import load_litellm
from worker.parts import Parts
from worker.records import JOURNAL_VERSION
from worker.services import build_services
from worker.watchdog import LoopWatchdog

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_MAX_STREAMS = 10_000
_IDLE_TIMEOUT_S = 3600.0
_CLOSING_S = 1.0
_logger = get_logger()


class WorkerApp:
    """The outer ASGI app: the SDK's own has no lifespan and ignores the URL's prefix."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._restate = restate.app(
            build_services(parts),
            protocol="bidi",
            identity_keys=parts.settings.all_identity_keys() or None,
        )
        self._background: set[asyncio.Task[None]] = set()
        self._requests: dict[asyncio.Task[object], asyncio.Event] = {}
        self._ending = False
        self._watchdog: LoopWatchdog | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's lifespan."""
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if path == "/healthz":
            return await _answer(receive, send, 200, b'{"status":"ok"}')
        version = path.split("/")[1]
        if version == f"v{JOURNAL_VERSION}":
            return await self._serve_restate(scope, receive, send)
        if version.removeprefix("v").isdecimal():
            # Restate tries again: the run waits for a worker that can replay its journal.
            text = f"this worker replays journals of version {JOURNAL_VERSION} only, not {version}"
            return await _answer(receive, send, 503, text.encode())
        return await _answer(receive, send, 404, b"not found")

    def cut_requests(self) -> None:
        """End all attempts: Restate makes new ones elsewhere, or here after the restart."""
        self._ending = True
        for task, may_end in self._requests.items():
            may_end.set()
            task.cancel()

    async def _serve_restate(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is served in a task")
        self._requests[task] = may_end = asyncio.Event()
        if "/invoke/" in scope["path"]:
            receive, send = _ending_after_input(receive, send, may_end)
        try:
            await self._restate(scope, receive, send)
        except asyncio.CancelledError:
            if not self._ending:
                raise
        finally:
            del self._requests[task]

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._watchdog:
            self._watchdog.stop()
        self._parts.tools.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._watchdog = LoopWatchdog(loop, self._parts.settings.loop_blocked_after_s)
        self._watchdog.start()
        loading = asyncio.create_task(self._load_models())
        self._background.add(loading)
        loading.add_done_callback(self._background.discard)

    async def _load_models(self) -> None:
        """Load litellm beside the first requests, not before them."""
        await asyncio.to_thread(load_litellm)
        _logger.info("models_loaded")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    # The SDK replaces a handler of ours at its first request, but knows this way to share it.
    for number in (signal.SIGTERM, signal.SIGINT):
        install_shutdown_hook(asyncio.get_running_loop(), stop.set, number)
    return stop


async def serve(parts: Parts, stop: asyncio.Event) -> None:
    """Serve until told to stop, then give steps in flight a little time."""
    settings = parts.settings
    config = hypercorn.config.Config()
    config.bind = [f"{settings.host}:{settings.port}"]
    config.graceful_timeout = settings.shutdown_timeout_s + _CLOSING_S
    config.h2_max_concurrent_streams = _MAX_STREAMS
    # By default a connection ends after 1,000 requests, under the runs that are on it; and after
    # 5 s without any, in which Restate may just send one. Restate itself ends idle connections.
    config.keep_alive_max_requests = sys.maxsize
    config.keep_alive_timeout = _IDLE_TIMEOUT_S
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    _logger.info(
        "worker_starts",
        address=config.bind[0],
        journal_version=JOURNAL_VERSION,
        agents=parts.registry.names(),
        digest=parts.registry.digest(),
    )
    app: Any = WorkerApp(parts)  # hypercorn types ASGI more narrowly
    cutting = asyncio.create_task(_cut_after(stop, settings.shutdown_timeout_s, app))
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait)  # pyright: ignore[reportUnknownMemberType]  # its types are incomplete
    cutting.cancel()
    _logger.info("worker_stopped")


async def _cut_after(stop: asyncio.Event, delay_s: float, app: WorkerApp) -> None:
    """End what hypercorn would only cut with a heap of errors."""
    await stop.wait()
    await asyncio.sleep(delay_s)
    app.cut_requests()


def _ending_after_input(
    receive: Receive, send: Send, may_end: asyncio.Event
) -> tuple[Receive, Send]:
    """Let a response end only when its request has ended.

    hypercorn forgets a stream whose response has ended. More input for it breaks the whole
    connection, with all the runs on it. The SDK waits as well, but no longer once the process
    is to stop.
    """

    async def hear() -> dict[str, Any]:
        event = await receive()
        if event["type"] != "http.request" or not event.get("more_body"):
            may_end.set()
        return event

    async def say(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await may_end.wait()
        await send(message)

    return hear, say


async def _answer(receive: Receive, send: Send, status: int, body: bytes) -> None:
    """Answer, and end only when the request has ended, as above."""
    kind = b"application/json" if body.startswith(b"{") else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    while (event := await receive())["type"] == "http.request" and event.get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
