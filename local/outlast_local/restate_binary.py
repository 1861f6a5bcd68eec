"""Finds the Restate binaries that npm installed."""

import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def restate_binary(name: str) -> Path:
    """Return the path of `restate-server` or `restate`.

    Not npm's wrapper script: a signal has to reach the server itself.

    Raises:
        FileNotFoundError: With what to do.
    """
    system, machine = platform.system(), platform.machine()
    target = f"{_SYSTEMS.get(system, system)}-{_MACHINES.get(machine.lower(), machine)}"
    path = ROOT / "node_modules" / "@restatedev" / f"{name}-{target}" / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}. Run `make setup`; it installs {name}.")
    return path
