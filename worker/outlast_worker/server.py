"""The worker's HTTP side: Restate's endpoint under its journal version, and health."""

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import restate
from restate.server import install_shutdown_hook

from outlast.live import STREAMS_PATH
from outlast.logging import get_logger
from outlast_worker.asgi import Receive, Scope, Send, answer, end_after_input
from outlast_worker.deps import Dependencies
from outlast_worker.engine.records import JOURNAL_VERSION
from outlast_worker.http_servers import choose_server
from outlast_worker.lifespan import LifespanHolder
from outlast_worker.listening import Listener, listen
from outlast_worker.live.http import LiveStreams
from outlast_worker.services.all import build_services
from outlast_worker.settings import WorkerSettings
from outlast_worker.visitors import Visitors
from outlast_worker.watchdog import LoopWatchdog

_THREADS = 256
# What a step may take to end that is cancelled.
_UNWINDING_S = 2.5
_logger = get_logger()


class WorkerApp:
    """The outer ASGI app: the SDK's own has no lifespan and ignores the URL's prefix."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._restate = restate.app(
            build_services(dependencies),
            protocol="bidi",
            identity_keys=dependencies.settings.all_identity_keys() or None,
        )
        self._visitors = Visitors(dependencies.settings)
        self._streams = LiveStreams(dependencies.live, dependencies.settings.stream_key())
        self._background: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's lifespan."""
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if path == "/healthz":
            return await answer(receive, send, 200, b'{"status":"ok"}')
        if refusal := self._visitors.refuse(scope):
            return await answer(receive, send, *refusal)
        if path.startswith(f"{STREAMS_PATH}/"):
            return await self._streams(scope, receive, send)
        version = path.split("/")[1]
        if version == f"v{JOURNAL_VERSION}":
            if "/invoke/" in path:
                receive, send = end_after_input(receive, send)
            return await self._restate(scope, receive, send)
        if version.removeprefix("v").isdecimal():
            # Restate tries again: the run waits for a worker that can replay its journal.
            text = f"this worker replays journals of version {JOURNAL_VERSION} only, not {version}"
            return await answer(receive, send, 503, text.encode())
        return await answer(receive, send, 404, b"not found")

    def end_streams(self) -> None:
        """End what would otherwise last as long as somebody watches."""
        self._streams.end()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        loading = asyncio.create_task(self._load_models())
        self._background.add(loading)
        loading.add_done_callback(self._background.discard)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._dependencies.live.close()
        await self._dependencies.model.close()
        self._dependencies.tools.close()
        await self._dependencies.servers.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _load_models(self) -> None:
        """Load the model client beside the first requests, not before them."""
        await self._dependencies.model.load()
        # What is loaded by now stays. Looked through for garbage, it would hold up the loop. And
        # most of what comes goes by itself.
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        _logger.info("models_loaded")


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    # The SDK replaces a handler of ours at its first request, but knows this way to share it.
    for number in (signal.SIGTERM, signal.SIGINT):
        install_shutdown_hook(asyncio.get_running_loop(), stop.set, number)
    return stop


async def serve(
    dependencies: Dependencies, stop: asyncio.Event, entered: asyncio.Event | None = None
) -> None:
    """Serve until told to stop, then give steps in flight a little time.

    What still runs after that time is cut off: to Restate this is one more crash. Then the
    agents' lifespan is left, in as much time again.

    Args:
        dependencies: Of the worker.
        stop: Ends it.
        entered: Set when the agents' lifespan has been entered, and serving begins.

    Raises:
        DefinitionError: The lifespan is not an async context manager.
        LifespanError: It failed.
        ListenError: With the setting to change.
        NotInstalled: The HTTP server that the settings name is missing.
    """
    settings = dependencies.settings
    choose_server(settings.http_server)
    listener = listen(settings.host, settings.port, "WORKER")
    _logger.info(
        "worker_starts",
        address=f"{settings.host}:{settings.port}",
        journal_version=JOURNAL_VERSION,
        agents=dependencies.registry.names(),
        digest=dependencies.registry.digest(),
    )
    grace_s = settings.shutdown_timeout_s
    watchdog = _prepare_loop(settings)
    lifespan = LifespanHolder(dependencies.registry.lifespan, stop)
    try:
        resources = await lifespan.enter()
        if not stop.is_set():
            if entered:
                entered.set()
            grace_s = await _serve(replace(dependencies, resources=resources), listener, stop)
    finally:
        watchdog.stop()
        await lifespan.leave(settings.shutdown_timeout_s)
    if grace_s <= 0:
        _end_process()
    _end_process_in(grace_s)
    _logger.info("worker_stopped")


def _prepare_loop(settings: WorkerSettings) -> LoopWatchdog:
    loop = asyncio.get_running_loop()
    # Tools may block some of these threads for long; model calls need one, too.
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="default"))
    watchdog = LoopWatchdog(loop, settings.loop_blocked_after_s)
    watchdog.start()
    return watchdog


async def _serve(dependencies: Dependencies, listener: Listener, stop: asyncio.Event) -> float:
    """Serve until told to stop; return what is left of the steps' grace, in seconds."""
    grace_s = dependencies.settings.shutdown_timeout_s
    app = WorkerApp(dependencies)
    serve_by = choose_server(dependencies.settings.http_server)
    serving = asyncio.ensure_future(serve_by(app, listener, stop))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopped = time.monotonic()
        if not serving.done():
            app.end_streams()
            _end_process_in(2 * grace_s + _UNWINDING_S)
            await asyncio.wait([serving], timeout=grace_s)
        if not serving.done():
            return 0
        await serving  # raises what it failed with
        return max(0.0, grace_s - (time.monotonic() - stopped))
    finally:
        stopping.cancel()
        # To Restate this is one more crash. Only then are the tools' resources taken away, so
        # that no step records that they were.
        serving.cancel()
        await asyncio.wait([serving])


def _end_process_in(seconds: float) -> None:
    # A thread, since a tool may hold up the loop, and sync ones that still run the interpreter.
    timer = threading.Timer(seconds, _end_process)
    timer.daemon = True
    timer.start()


def _end_process() -> None:
    _logger.info("worker_cut_off")
    logging.shutdown()
    os._exit(0)
