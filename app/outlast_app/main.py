"""The HTTP front: who may call, what is valid, and on to Restate."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import aiohttp
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from outlast.addresses import Address
from outlast.hosts import Hosts
from outlast.logging import get_logger
from outlast.registry import Registry
from outlast_app.access_log import AccessLog
from outlast_app.body_limit import BodyLimit
from outlast_app.closing import Closing
from outlast_app.deps import Dependencies
from outlast_app.errors import add_error_handlers
from outlast_app.facades.mounting import mount, provide
from outlast_app.keyring import Keyring
from outlast_app.live.source import LiveSource
from outlast_app.live.worker import WorkerStreams
from outlast_app.no_store import NoStore
from outlast_app.openapi import add_openapi
from outlast_app.page_guard import PageGuard
from outlast_app.prefix import Prefix
from outlast_app.quotas import Quotas
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.routes import (
    agents,
    approvals,
    health,
    inspection,
    results,
    runs,
    signals,
    starting,
    steering,
    threads,
    webhooks,
)
from outlast_app.runs.actions import RunActions, ThreadActions
from outlast_app.runs.approvals import ApprovalReads
from outlast_app.runs.deletion import Deletion
from outlast_app.runs.follow import RunEvents
from outlast_app.runs.forks import Forks
from outlast_app.runs.inspection import RunInspection
from outlast_app.runs.listings import Listings
from outlast_app.runs.reader import RunReader
from outlast_app.runs.readiness import ReadinessCheck
from outlast_app.runs.results import ClientResults
from outlast_app.runs.start import RunStarter
from outlast_app.runs.thread_life import ThreadLife
from outlast_app.runs.webhooks import WebhookDeliveries
from outlast_app.settings import AppSettings

_DESCRIPTION = """\
Agents whose runs survive crashes. `GET /agents` says who is there, `POST /agents/{agent}/runs`
starts one."""
_TAGS = [
    {"name": "agents", "description": "Who can be asked, and what each of them can do."},
    {"name": "runs", "description": "One input to its final answer: start, watch, steer, end."},
    {"name": "approvals", "description": "What waits for a person."},
    {"name": "client tools", "description": "Tool calls that clients run."},
    {"name": "webhooks", "description": "Who is told of runs, and how far that has come."},
    {"name": "threads", "description": "Conversations, which runs go on with."},
    {"name": "health", "description": "For load balancers and supervisors; needs no key."},
]
_KEEP_ALIVE_S = 30
_STAINLESS = (
    "Arch",
    "Async",
    "Custom-Poll-Interval",
    "Helper-Method",
    "Lang",
    "OS",
    "Package-Version",
    "Poll-Helper",
    "Read-Timeout",
    "Retry-Count",
    "Runtime",
    "Runtime-Version",
    "Timeout",
)
_HEADERS_OF_PAGES = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "Prefer",
    "Traceparent",
    "Tracestate",
    # OpenAI's libraries send these.
    "OpenAI-Beta",
    "OpenAI-Organization",
    "OpenAI-Project",
    *(f"X-Stainless-{name}" for name in _STAINLESS),
]
_HEADERS_FOR_PAGES = [
    "Content-Location",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "X-Run-Id",
    "X-Should-Retry",
]
_logger = get_logger()


def create_app(
    settings: AppSettings, registry: Registry, closing: Closing | None = None
) -> FastAPI:
    """Make the application; whoever serves it says by `closing` when it is about to end."""
    app = FastAPI(
        title="Outlast",
        version=version("outlast-app"),
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        lifespan=partial(
            _lifespan, settings=settings, registry=registry, closing=closing or Closing()
        ),
        redirect_slashes=False,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=_HEADERS_OF_PAGES,
            expose_headers=_HEADERS_FOR_PAGES,
        )
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    if not any(settings.keys.values()):
        app.add_middleware(
            PageGuard, hosts=Hosts(settings.public_hosts), origins=settings.cors_origins
        )
    app.add_middleware(NoStore)
    app.add_middleware(AccessLog)  # around all that may answer
    # Last, so that it is around the others: all of them see the prefix.
    app.add_middleware(Prefix, root_path=settings.root_path, proxies=settings.trusted_proxies)
    for module in (
        agents,
        starting,
        runs,
        inspection,
        approvals,
        results,
        steering,
        signals,
        webhooks,
        threads,
        health,
    ):
        # As they are: `include_router` would look for the route of each request three times.
        app.router.routes.extend(module.router.routes)
    app.webhooks.include_router(webhooks.webhooks)
    add_error_handlers(app)
    add_openapi(app)
    mount(app, settings.protocols)
    return app


@asynccontextmanager
async def _lifespan(
    app: FastAPI, *, settings: AppSettings, registry: Registry, closing: Closing
) -> AsyncGenerator[None]:
    ingress_at = Address.parse(settings.restate_ingress_url)
    admin_at = Address.parse(settings.restate_admin_url)
    async with (
        _open_session(ingress_at.socket) as to_ingress,
        _open_session(admin_at.socket) as to_admin,
        _open_session() as to_worker,
        live_source(settings, to_worker) as live,
    ):
        ingress = Ingress(to_ingress, ingress_at, settings.service_prefix, closing)
        admin = Admin(to_admin, admin_at, settings.service_prefix)
        reader = RunReader(ingress, admin)
        events = RunEvents(ingress, reader, live)
        threads = ThreadActions(ingress, reader)
        told = WebhookDeliveries(ingress, reader)
        dependencies = Dependencies(
            settings=settings,
            registry=registry,
            keyring=Keyring(settings.keys),
            quotas=Quotas(settings.max_runs_per_key, settings.max_streams_per_key),
            closing=closing,
            starter=RunStarter(
                registry,
                ingress,
                reader,
                settings.max_queued_per_thread,
                settings.webhook_policy(),
            ),
            forks=Forks(registry, ingress, reader),
            reader=reader,
            events=events,
            approvals=ApprovalReads(reader),
            inspection=RunInspection(ingress, reader),
            runs=RunActions(ingress, admin, reader),
            results=ClientResults(ingress, reader),
            webhooks=told,
            threads=threads,
            thread_life=ThreadLife(ingress, threads),
            deletion=Deletion(ingress, admin, reader, threads, told),
            listings=Listings(admin),
            readiness=ReadinessCheck(registry, ingress, admin),
        )
        provide(app, dependencies)
        _logger.info("app_started", agents=registry.names(), digest=registry.digest())
        yield
        events.close()


def _open_session(socket: str | None = None) -> aiohttp.ClientSession:
    """Return a client of whoever listens at a Unix socket, else of those that its URLs name."""
    # No limit on connections: each waiting caller holds one.
    connector = (
        aiohttp.UnixConnector(socket, limit=0, keepalive_timeout=_KEEP_ALIVE_S)
        if socket
        else aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),  # each call sets its own
        skip_auto_headers=["Content-Type"],  # Restate refuses it where a handler takes no body
    )


@asynccontextmanager
async def live_source(
    settings: AppSettings, session: aiohttp.ClientSession
) -> AsyncGenerator[LiveSource]:
    """Open the channel of live events that the settings name."""
    if settings.redis_url is None:
        url = settings.streams_url or settings.worker_url
        yield WorkerStreams(session, url, settings.stream_key())
        return
    # A library that most do without, and that takes time and memory.
    from outlast_app.live.redis import open_streams  # noqa: PLC0415

    url = settings.redis_url.get_secret_value()
    async with open_streams(url, settings.service_prefix) as streams:
        yield streams
