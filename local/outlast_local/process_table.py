"""`stack.json`: which processes a stack has started, for commands that come later."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_POLL_S = 0.02


class ProcessTable:
    """The processes of the stack in one folder."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "stack.json"
        self._own: dict[str, dict[str, Any]] = {}

    def add(self, name: str, pid: int, ports: Mapping[str, int] | None = None) -> None:
        """Write down a process that was just started, and where it listens."""
        # A pid alone may be somebody else's by the time it is read.
        started = psutil.Process(pid).create_time()
        self._own[name] = {"pid": pid, "started": started, "ports": dict(ports or {})}
        self._write({**self._read(), name: self._own[name]})

    def alive(self) -> dict[str, psutil.Process]:
        """Return the processes that are there, the one started last first."""
        found: dict[str, psutil.Process] = {}
        for name, known in reversed(self._read().items()):
            try:
                process = psutil.Process(known["pid"])
                if process.create_time() == known["started"] and _is_alive(process):
                    found[name] = process
            except psutil.NoSuchProcess:
                continue
        return found

    def ports(self) -> dict[str, int]:
        """Return where those that are there listen, by the names of the fields of `Ports`."""
        known = self._read()
        found = [known[name].get("ports", {}) for name in self.alive()]
        return {field: port for each in found for field, port in each.items()}

    def forget_own(self) -> None:
        """Forget the processes that were written down here, and none of another stack's."""
        others = {
            name: known for name, known in self._read().items() if known != self._own.get(name)
        }
        if others:
            self._write(others)
        else:
            self.clear()

    def clear(self) -> None:
        """Forget all processes."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, dict[str, Any]]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _write(self, table: dict[str, dict[str, Any]]) -> None:
        written = self._path.with_suffix(".tmp")
        written.write_text(json.dumps(table, indent=2))
        written.replace(self._path)


def end(process: psutil.Process, timeout_s: float) -> None:
    """Ask a process to end, and insist after a while. One that has ended already is fine."""
    try:
        process.terminate()
        deadline = time.monotonic() + timeout_s
        while _is_alive(process):
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(_POLL_S)
    except psutil.NoSuchProcess:
        return


def _is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; a zombie, whose parent does not ask for it, does not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
