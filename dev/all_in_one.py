"""App and worker in one process, for development: `make dev`.

Restate (and the demo model, without a provider key) run beside it and stay while the process
is started again on each change of the code.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path

import hypercorn.asyncio
import hypercorn.config
import uvloop
import watchfiles

from app.closing import Closing
from app.main import create_app
from app.settings import AppSettings
from dev.local import PortTaken, check_ports, local_stack
from dev.restate_binary import ROOT
from shared.errors import DefinitionError
from shared.logging import configure_logging, get_logger
from worker.__main__ import make_parts
from worker.register import register
from worker.server import serve, stop_on_signals
from worker.settings import WorkerSettings

_WATCHED = ("app", "worker", "shared")
_REGISTER_TIMEOUT_S = 30
_logger = get_logger()


def main() -> int:
    """Start Restate, then the process, again after each change."""
    directory = Path(os.environ.get("STACK_DIR", ROOT / ".data" / "dev"))
    stack = local_stack(directory)
    try:
        check_ports(stack)
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"app {stack.app_url} · Restate's UI {stack.admin_url} · Ctrl-C ends it", flush=True)
    try:
        if stack.demo_model:
            print("model: the demo model, a stand-in (no provider key found)", flush=True)
        stack.start_demo_model()
        stack.start_restate()
        os.environ.update(stack.environment)
        watchfiles.run_process(*(ROOT / name for name in _WATCHED), target=serve_both)
    finally:
        stack.stop()
    return 0


def serve_both() -> None:
    """Serve app and worker in this process."""
    try:
        uvloop.run(_serve_both())
    except DefinitionError as error:
        sys.stderr.write(f"{error}\nWaiting for a change …\n")


async def _serve_both() -> None:
    app_settings, worker_settings = AppSettings(), WorkerSettings()
    configure_logging(app_settings.log_level, as_json=app_settings.log_json)
    registry = worker_settings.load_registry()
    stop, closing = stop_on_signals(), Closing()

    async def app_stop() -> None:
        await stop.wait()
        closing.begin()

    config = hypercorn.config.Config()
    config.bind = [f"{app_settings.host}:{app_settings.port}"]
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(make_parts(worker_settings, registry), stop))
        group.create_task(
            hypercorn.asyncio.serve(  # pyright: ignore[reportUnknownMemberType]  # its types are incomplete
                create_app(app_settings, registry, closing),  # pyright: ignore[reportArgumentType]  # hypercorn types ASGI more narrowly
                config,
                shutdown_trigger=app_stop,
            )
        )
        await register(worker_settings, registry, timeout_s=_REGISTER_TIMEOUT_S)


if __name__ == "__main__":
    sys.exit(main())
