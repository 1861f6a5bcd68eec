"""App and worker in one process, for development: what `outlast dev` starts again on each change.

python -m outlast_local.one_process
"""

import asyncio
import importlib
import sys
import traceback

import outlast.registry
import outlast.settings
from outlast.errors import DefinitionError
from outlast.logging import configure_logging
from outlast.registry import Registry
from outlast.settings_errors import InvalidSettings, check_settings
from outlast.settings_names import warn_of_slips
from outlast_app.closing import Closing
from outlast_app.main import create_app
from outlast_app.server import GuestServer
from outlast_app.settings import AppSettings
from outlast_local.breakpoints import PausingLoop
from outlast_local.settings import INVALID_SETTINGS
from outlast_worker.installed import NotInstalled
from outlast_worker.lifespan import LifespanError
from outlast_worker.listening import Listener, ListenError, listen
from outlast_worker.main import make_dependencies
from outlast_worker.register import RegistrationError, register
from outlast_worker.running import run_whole
from outlast_worker.server import serve, stop_on_signals
from outlast_worker.settings import WorkerSettings, export_env_file

_REGISTER_TIMEOUT_S = 30
_STOPS = (
    DefinitionError,
    InvalidSettings,
    LifespanError,
    ListenError,
    NotInstalled,
    RegistrationError,
)
# What stands between the process's start and an agent file.
_LOADERS = {__file__, outlast.settings.__file__, outlast.registry.__file__, importlib.__file__}


def main() -> int:
    """Serve app and worker until SIGTERM."""
    try:
        check_settings(AppSettings, WorkerSettings)
    except InvalidSettings as error:
        _fail(f"{error}\n")
        return INVALID_SETTINGS
    app_settings, worker_settings = AppSettings(), WorkerSettings()
    configure_logging(app_settings.log_level, as_json=app_settings.log_json)
    warn_of_slips(AppSettings, WorkerSettings)
    export_env_file()
    try:
        registry = worker_settings.load_registry()
    except DefinitionError as error:
        return _fail(f"{error}\n")
    except Exception as error:  # noqa: BLE001  # an agent file may raise anything
        return _fail(shortened(error))
    status = 0
    try:
        run_whole(_serve_both(app_settings, worker_settings, registry), PausingLoop)
    except* _STOPS as group:
        status = _fail("".join(f"{error}\n" for error in group.exceptions))
    return status


def shortened(error: Exception) -> str:
    """Return the trace without the way to the agent file."""
    told = traceback.TracebackException.from_exception(error)
    frames = [
        frame
        for frame in told.stack
        if frame.filename not in _LOADERS and not frame.filename.startswith("<frozen")
    ]
    told.stack = traceback.StackSummary.from_list(frames)
    return "".join(told.format())


async def _serve_both(
    app_settings: AppSettings, worker_settings: WorkerSettings, registry: Registry
) -> None:
    stop, entered, closing = stop_on_signals(), asyncio.Event(), Closing()

    async def serve_app(listener: Listener) -> None:
        server = GuestServer(create_app(app_settings, registry, closing), closing)

        async def end() -> None:
            await stop.wait()
            server.should_exit = True

        ending = asyncio.create_task(end())
        await server.serve(listener.create_sockets().insecure_sockets)
        ending.cancel()

    async def register_worker() -> None:
        # The agents' lifespan may take its time, before which the worker does not serve.
        await entered.wait()
        await register(worker_settings, registry, _REGISTER_TIMEOUT_S, allow_removed=True)

    listener = listen(app_settings.host, app_settings.port, "APP")
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(make_dependencies(worker_settings, registry), stop, entered))
        await asyncio.sleep(0)  # where the worker can't listen, nothing else begins
        group.create_task(serve_app(listener))
        registering = group.create_task(register_worker())
        await stop.wait()
        registering.cancel()


def _fail(text: str) -> int:
    sys.stderr.write(text)
    return 1


if __name__ == "__main__":
    sys.exit(main())
