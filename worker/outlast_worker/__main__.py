"""`python -m outlast_worker` serves; with `register` it makes Restate know this worker."""

import argparse
import asyncio
import logging
import sys

import restate
import uvloop
from redis.asyncio import Redis

from outlast.errors import DefinitionError
from outlast.live import REDIS_CONNECTIONS
from outlast.logging import configure_logging
from outlast.registry import Registry
from outlast.settings_errors import InvalidSettings, read_settings
from outlast_worker.deps import Dependencies
from outlast_worker.inflight import Inflight
from outlast_worker.lifespan import LifespanError
from outlast_worker.live.hub import LiveHub
from outlast_worker.live.redis import RedisRelay
from outlast_worker.models.client import FailoverClient
from outlast_worker.models.litellm import LitellmApi
from outlast_worker.register import RegistrationError, register
from outlast_worker.server import ListenError, serve, stop_on_signals
from outlast_worker.settings import WorkerSettings
from outlast_worker.tools.runner import ToolRunner

_REDIS_TIMEOUT_S = 5


def main() -> int:
    """Run the command line."""
    arguments = _parser().parse_args()
    try:
        settings = read_settings(WorkerSettings)
        configure_logging(settings.log_level, as_json=settings.log_json)
        for handler in logging.getLogger().handlers:
            handler.addFilter(restate.RestateLoggingFilter())
        registry = settings.load_registry()
        if arguments.command == "register":
            allow_removed: bool = arguments.allow_removed
            asyncio.run(
                register(settings, registry, arguments.timeout, allow_removed=allow_removed)
            )
        else:
            uvloop.run(_serve(make_dependencies(settings, registry)))
    except (
        DefinitionError,
        InvalidSettings,
        LifespanError,
        ListenError,
        RegistrationError,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _serve(dependencies: Dependencies) -> None:
    await serve(dependencies, stop_on_signals())


def make_dependencies(settings: WorkerSettings, registry: Registry) -> Dependencies:
    """Make the process's long-lived dependencies."""
    timeout_s = settings.model_timeout_s
    return Dependencies(
        settings=settings,
        registry=registry,
        model=FailoverClient([LitellmApi(timeout_s)], settings.providers, timeout_s),
        tools=ToolRunner(settings.tool_threads),
        inflight=Inflight(),
        live=LiveHub(settings.live_interval_s, _relay(settings)),
    )


def _relay(settings: WorkerSettings) -> RedisRelay | None:
    if settings.redis_url is None:
        return None
    redis: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its types are incomplete
        settings.redis_url.get_secret_value(),
        socket_timeout=_REDIS_TIMEOUT_S,
        max_connections=REDIS_CONNECTIONS,
    )
    return RedisRelay(redis, settings.service_prefix)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m outlast_worker", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    registering = commands.add_parser(
        "register",
        help="register the worker at WORKER_URL with the Restate server at RESTATE_ADMIN_URL",
    )
    registering.add_argument(
        "--timeout", type=float, default=60, help="how long to wait for both sides, in seconds"
    )
    registering.add_argument(
        "--allow-removed",
        action="store_true",
        help="warn, instead of refusing, when an agent is gone whose runs have not ended",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
