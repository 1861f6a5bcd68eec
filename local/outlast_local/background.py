"""The local stack in the background: `make up-local` and `make down-local`.

    python -m outlast_local.background up | down | register

`STACK_DIR` holds data, logs and `stack.json` with the processes, so several stacks stand side
by side: give each its own folder and ports.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from outlast.settings_errors import InvalidSettings, read_settings
from outlast_local.example_call import example_call
from outlast_local.ports import is_free
from outlast_local.process import ProcessDied
from outlast_local.process_table import ProcessTable, end
from outlast_local.provider import chosen_model
from outlast_local.restate_binary import ROOT
from outlast_local.settings import ForeignRestate, LocalSettings
from outlast_local.signals import INTERRUPTED, interruptible
from outlast_local.stack import Stack

_PORT_VARIABLES: Mapping[str, str] = {
    "app": "APP_PORT",
    "worker": "WORKER_PORT",
    "ingress": "RESTATE_INGRESS_PORT",
    "admin": "RESTATE_ADMIN_PORT",
    "node": "RESTATE_NODE_PORT",
    "model": "DEMO_MODEL_PORT",
}
_END_TIMEOUT_S = 15


class PortTaken(Exception):
    """A port of the stack is in use."""


class AlreadyRunning(Exception):
    """Another stack runs in the folder."""


STOPS = (
    InvalidSettings,
    AlreadyRunning,
    PortTaken,
    ForeignRestate,
    ProcessDied,
    TimeoutError,
    RuntimeError,
    FileNotFoundError,
)
"""What keeps a stack from starting; the message is for whoever started it."""


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m outlast_local.background", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "register"))
    command: str = parser.parse_args().command
    try:
        settings = read_settings(LocalSettings)
        directory = settings.stack_dir or ROOT / ".data" / "local"
        if command == "up":
            return _up(settings, directory)
        if command == "register":
            return _register(settings, directory)
        return _down(directory)
    except STOPS as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def local_stack(settings: LocalSettings, directory: Path) -> Stack:
    """Return the stack that the environment and `.env` describe."""
    return Stack(
        directory,
        settings.ports(),
        settings.given(),
        demo_model=chosen_model() is None,
        hermetic=False,
    )


def own_stack(settings: LocalSettings, directory: Path) -> Stack:
    """Return the same stack, to be started.

    Raises:
        AlreadyRunning: With what to do.
        PortTaken: With the setting to change.
        ForeignRestate: The same.
    """
    settings.check_own_restate()
    if alive := ProcessTable(directory).alive():
        names = ", ".join(sorted(alive))
        raise AlreadyRunning(
            f"Already running in {directory}: {names}. "
            f"`STACK_DIR={directory} make down-local` ends it."
        )
    stack = local_stack(settings, directory)
    needed = [name for name in _PORT_VARIABLES if name != "model" or stack.demo_model]
    taken = [name for name in needed if not is_free(getattr(stack.ports, name))]
    if taken:
        raise PortTaken(
            "\n".join(
                f"Port {getattr(stack.ports, name)} is taken. End what listens there, or set "
                f"{_PORT_VARIABLES[name]} to another one."
                for name in taken
            )
        )
    return stack


def fail(message: str) -> int:
    """Say what went wrong, and return the exit status for it."""
    sys.stderr.write(f"{message}\n")
    return 1


def _up(settings: LocalSettings, directory: Path) -> int:
    stack = own_stack(settings, directory)
    with interruptible(stack.stop):
        stack.start()
        print(_summary(stack), flush=True)
    return 0


def _down(directory: Path) -> int:
    table = ProcessTable(directory)
    alive = table.alive()
    for name, process in alive.items():
        end(process, _END_TIMEOUT_S)
        print(f"{name} ended", flush=True)
    if not alive:
        print(f"Nothing runs in {directory}.")
    table.clear()
    return 0


def _register(settings: LocalSettings, directory: Path) -> int:
    local_stack(settings, directory).register()
    print("The worker is registered.")
    return 0


def _summary(stack: Stack) -> str:
    model = chosen_model() or "the demo model, a stand-in (no provider key found)"
    return (
        f"app       {stack.app_url}  (docs at /docs)\n"
        f"Restate   {stack.admin_url}  (UI)\n"
        f"model     {model}\n"
        f"logs      {stack.directory}/*.log\n\n"
        f"{example_call(stack.app_url)}"
    )


if __name__ == "__main__":
    sys.exit(main())
