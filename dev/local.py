"""The local stack in the background: `make up-local` and `make down-local`.

    python -m dev.local up | down | register

`STACK_DIR` holds data, logs and `stack.json` with the processes, so several stacks stand side
by side: give each its own folder and ports.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil

from dev.ports import is_free
from dev.process import ProcessDied
from dev.provider import has_provider
from dev.restate_binary import ROOT
from dev.stack import Ports, Stack

_VARIABLES: Mapping[str, str] = {
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


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m dev.local", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "register"))
    command: str = parser.parse_args().command
    directory = Path(os.environ.get("STACK_DIR", ROOT / ".data" / "local"))
    try:
        if command == "up":
            return _up(directory)
        if command == "register":
            return _register(directory)
        return _down(directory)
    except (PortTaken, ProcessDied, TimeoutError, RuntimeError, FileNotFoundError) as error:
        return _fail(str(error))


def local_stack(directory: Path) -> Stack:
    """Return the stack that the environment describes."""
    return Stack(directory, _ports(), demo_model=not has_provider(os.environ), hermetic=False)


def check_ports(stack: Stack) -> None:
    """Refuse ports that are taken.

    Raises:
        PortTaken: With the setting to change.
    """
    needed = [name for name in _VARIABLES if name != "model" or stack.demo_model]
    taken = [name for name in needed if not is_free(getattr(stack.ports, name))]
    if taken:
        raise PortTaken(
            "\n".join(
                f"Port {getattr(stack.ports, name)} is taken. End what listens there, or set "
                f"{_VARIABLES[name]} to another one."
                for name in taken
            )
        )


def _up(directory: Path) -> int:
    if running := _running(directory):
        names = ", ".join(sorted(running))
        return _fail(f"Already running in {directory}: {names}. `make down-local` ends it.")
    stack = local_stack(directory)
    check_ports(stack)
    try:
        stack.start()
    except BaseException:
        stack.stop()
        raise
    _write(directory, stack)
    print(_summary(stack))
    return 0


def _down(directory: Path) -> int:
    running = _running(directory)
    for name, process in running.items():
        process.terminate()
        try:
            process.wait(_END_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
        print(f"{name} ended")
    if not running:
        print(f"Nothing runs in {directory}.")
    _file(directory).unlink(missing_ok=True)
    return 0


def _register(directory: Path) -> int:
    local_stack(directory).register()
    print("The worker is registered.")
    return 0


def _ports() -> Ports:
    defaults = Ports()
    values = {
        field.name: int(os.environ.get(_VARIABLES[field.name]) or getattr(defaults, field.name))
        for field in fields(Ports)
    }
    return Ports(**values)


def _file(directory: Path) -> Path:
    return directory / "stack.json"


def _write(directory: Path, stack: Stack) -> None:
    processes = {
        # A pid alone may be somebody else's by the time it is read.
        process.name: {"pid": process.pid, "started": psutil.Process(process.pid).create_time()}
        for process in stack.processes
    }
    _file(directory).write_text(json.dumps(processes, indent=2))


def _running(directory: Path) -> dict[str, psutil.Process]:
    if not _file(directory).exists():
        return {}
    written: dict[str, dict[str, Any]] = json.loads(_file(directory).read_text())
    found: dict[str, psutil.Process] = {}
    for name, known in written.items():
        try:
            process = psutil.Process(known["pid"])
            if process.create_time() == known["started"]:
                found[name] = process
        except psutil.NoSuchProcess:
            continue
    return found


def _summary(stack: Stack) -> str:
    model = "the demo model, a stand-in (no provider key found)"
    if stack.demo_model is None:
        model = os.environ.get("MODEL", "of .env, or the default one")
    return (
        f"app       {stack.app_url}  (docs at /docs)\n"
        f"Restate   {stack.admin_url}  (UI)\n"
        f"model     {model}\n"
        f"logs      {stack.directory}/*.log\n\n"
        f"curl -X POST {stack.app_url}/agents/support/runs -H 'content-type: application/json'"
        ' -d \'{"input": "Where is my order A-1003?"}\''
    )


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
