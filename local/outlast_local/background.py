"""The local stack of a project in the background: `outlast up` and what goes with it.

Its folder holds data, logs and `stack.json` with the processes, so several stacks stand side by
side: give each its own STACK_DIR and ports.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from outlast_cli.program import outlast
from outlast_local.errors import AlreadyRunning, NotRunning, PortTaken
from outlast_local.ports import is_free
from outlast_local.private_files import make_private_folder
from outlast_local.process_table import ProcessTable, end
from outlast_local.provider import chosen_model
from outlast_local.restate import container
from outlast_local.settings import DATA, LocalSettings
from outlast_local.sockets import RestateSockets
from outlast_local.stack import Ports, Stack

_PORT_VARIABLES: Mapping[str, str] = {
    "app": "APP_PORT",
    "worker": "WORKER_PORT",
    "ingress": "RESTATE_INGRESS_PORT",
    "admin": "RESTATE_ADMIN_PORT",
    "model": "DEMO_MODEL_PORT",
}
_END_TIMEOUT_S = 15


def local_stack(
    settings: LocalSettings, ports: Ports | None = None, *, breakpoints: bool = False
) -> Stack:
    """Return the stack that the environment and `.env` describe, in the current folder.

    Args:
        settings: What they say.
        ports: Others than they say.
        breakpoints: As of `Stack`.
    """
    return Stack(
        settings.directory(),
        ports or settings.ports(),
        {"AGENTS": settings.agents, **settings.given()},
        demo_model=chosen_model() is None,
        project=Path.cwd(),
        breakpoints=breakpoints,
    )


def started_stack(settings: LocalSettings) -> Stack:
    """Return the same stack where it runs: ports may have been set for its start alone."""
    running = ProcessTable(settings.directory()).ports()
    return local_stack(settings, replace(settings.ports(), **running))


def own_stack(settings: LocalSettings, *, breakpoints: bool = False) -> Stack:
    """Return the same stack, to be started.

    Raises:
        AlreadyRunning: With what to do.
        PortTaken: With the setting to change.
        ForeignRestate: The same.
    """
    settings.check_own_restate()
    if alive := ProcessTable(settings.directory()).alive():
        names = ", ".join(sorted(alive))
        raise AlreadyRunning(
            f"Already running, with data in {settings.directory()}: {names}. "
            f"`{outlast('down')}` ends it."
        )
    stack = local_stack(settings, breakpoints=breakpoints)
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
    _shut(stack.directory)
    stack.rotate_logs()
    return stack


def end_stack(directory: Path) -> list[str]:
    """End what runs in a folder, and return the names of its parts."""
    table = ProcessTable(directory)
    alive = table.alive()
    for process in alive.values():
        end(process, _END_TIMEOUT_S)
    container.remove(directory)
    table.clear()
    RestateSockets(directory.resolve() / "restate").remove()
    return list(alive)


def restart(settings: LocalSettings, part: str) -> list[str]:
    """Start one part of a running stack again, where it was, and return what to know about it.

    Raises:
        NotRunning: There is nothing to restart.
    """
    table = ProcessTable(settings.directory())
    alive = table.alive()
    if not alive:
        raise NotRunning(f"Nothing runs here; `{outlast('up')}` starts it.")
    if "all_in_one" in alive:
        raise NotRunning("`outlast dev` runs here, which restarts by itself on each change.")
    stack = started_stack(settings)
    if process := alive.get(part):
        end(process, _END_TIMEOUT_S)
    if part == "worker" and stack.demo_model and stack.demo_model.name not in alive:
        stack.start_demo_model()  # the key that was there at the start is not there any more
    starts: Mapping[str, Callable[[], None]] = {
        "app": stack.start_app,
        "worker": stack.start_worker,
        "restate": stack.start_restate,
        "guard": stack.start_guard,
    }
    starts[part]()
    # The worker may have other agents now.
    return stack.register(allow_removed=True) if part == "worker" else []


def _shut(directory: Path) -> None:
    """Keep a project's data from others on this machine, and out of its repository."""
    if directory.parent.name == DATA:
        make_private_folder(directory.parent)
        (directory.parent / ".gitignore").write_text("*\n")
