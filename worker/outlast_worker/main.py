"""Puts the worker together, and serves it."""

from datetime import timedelta

from outlast.registry import Registry
from outlast_worker.conversations import Conversations
from outlast_worker.deps import Dependencies
from outlast_worker.inflight import Inflight
from outlast_worker.live.hub import LiveHub, Relay
from outlast_worker.mcp.sessions import McpSessions, check_servers
from outlast_worker.mcp.tools import McpTools
from outlast_worker.models.apis import make_apis
from outlast_worker.models.checks import check_models
from outlast_worker.models.client import FailoverClient
from outlast_worker.models.prices import Prices
from outlast_worker.models.rate_limits import RateLimits
from outlast_worker.server import serve, stop_on_signals
from outlast_worker.services.run_steps import RestateSteps
from outlast_worker.settings import WorkerSettings
from outlast_worker.tools.effects import Effects
from outlast_worker.tools.runner import ToolRunner
from outlast_worker.webhooks.sender import WebhookSender


async def serve_worker(settings: WorkerSettings, registry: Registry) -> None:
    """Serve until a signal says to stop."""
    await serve(make_dependencies(settings, registry), stop_on_signals())


def make_dependencies(settings: WorkerSettings, registry: Registry) -> Dependencies:
    """Make what lives as long as the process.

    Raises:
        DefinitionError: An agent has a model that nobody can call.
        InvalidSettings: The settings name a provider that nobody knows.
        NotInstalled: A library is missing by which models or MCP servers are called.
    """
    timeout_s = settings.model_timeout_s
    apis = make_apis(settings.model_client, settings.providers, timeout_s, settings.model_idle_s)
    needed = check_models(apis, registry, settings.providers)
    check_servers(registry)
    effects, servers = Effects(), McpTools(McpSessions())
    return Dependencies(
        settings=settings,
        registry=registry,
        model=FailoverClient(
            apis,
            settings.providers,
            timeout_s,
            needed,
            Prices(settings.model_prices),
            RateLimits() if settings.heed_rate_limits else None,
        ),
        tools=ToolRunner(settings.tool_threads, servers),
        servers=servers,
        conversations=Conversations(settings.conversation_cache_bytes),
        webhooks=WebhookSender(
            settings.webhook_policy(), timedelta(seconds=settings.webhook_retry_for_s)
        ),
        effects=effects,
        inflight=Inflight(effects),
        live=LiveHub(settings.live_interval_s, _make_relay(settings)),
        make_steps=RestateSteps,
    )


def _make_relay(settings: WorkerSettings) -> Relay | None:
    if settings.redis_url is None:
        return None
    # A library that most do without, and that takes time and memory.
    from outlast_worker.live.redis import make_relay  # noqa: PLC0415

    return make_relay(settings.redis_url.get_secret_value(), settings.service_prefix)
