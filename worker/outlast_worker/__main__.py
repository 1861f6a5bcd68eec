"""`python -m outlast_worker` serves; with `register` it makes Restate know this worker."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from outlast.leaving_out import leaving_out

# Restate's library imports httpx, and that a command line of its own where it can: 2 MB.
with leaving_out("httpx._main"):
    import restate

from outlast.errors import DefinitionError
from outlast.logging import configure_logging
from outlast.registry import Registry
from outlast.settings_errors import InvalidSettings, read_settings
from outlast.settings_names import warn_of_slips
from outlast_worker.installed import NotInstalled
from outlast_worker.lifespan import LifespanError
from outlast_worker.listening import ListenError
from outlast_worker.main import serve_worker
from outlast_worker.register import RegistrationError, register
from outlast_worker.running import run_whole
from outlast_worker.settings import WorkerSettings, export_env_file


def main(
    serve: Callable[[WorkerSettings, Registry], Coroutine[Any, Any, None]] = serve_worker,
) -> int:
    """Run the command line; `serve` puts a worker together and serves it."""
    arguments = _parser().parse_args()
    try:
        settings = read_settings(WorkerSettings)
        configure_logging(settings.log_level, as_json=settings.log_json)
        for handler in logging.getLogger().handlers:
            handler.addFilter(restate.RestateLoggingFilter())
        warn_of_slips(WorkerSettings)
        export_env_file()
        registry = settings.load_registry()
        if arguments.command == "register":
            allow_removed: bool = arguments.allow_removed
            asyncio.run(
                register(settings, registry, arguments.timeout, allow_removed=allow_removed)
            )
        else:
            run_whole(serve(settings, registry))
    except (
        DefinitionError,
        InvalidSettings,
        LifespanError,
        ListenError,
        NotInstalled,
        RegistrationError,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


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
