"""Restate's programs where npm or the machine has put them."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from outlast_local.restate import VERSION

_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_ANSWER_S = 10


def npm_package(name: str = "restate-server") -> str | None:
    """Return the npm package with this machine's `restate-server` or `restate`, if there is one."""
    system, machine = _SYSTEMS.get(platform.system()), _MACHINES.get(platform.machine().lower())
    return f"@restatedev/{name}-{system}-{machine}" if system and machine else None


def in_node_modules(folder: Path, name: str = "restate-server") -> Path | None:
    """Return a program that npm has installed into `folder`/node_modules, in the right version.

    Not npm's wrapper script: a signal has to reach the server itself.
    """
    package = npm_package(name)
    if package is None:
        return None
    installed = folder / "node_modules" / package
    binary, manifest = installed / "bin" / name, installed / "package.json"
    if not (binary.exists() and manifest.exists()):
        return None
    return binary if json.loads(manifest.read_text())["version"] == VERSION else None


def on_path() -> Path | None:
    """Return the `restate-server` on PATH, if it is one of the right version."""
    found = shutil.which("restate-server")
    if found is None:
        return None
    path = Path(found).resolve()
    return next((binary for binary in _behind(path) if works(binary)), None)


def _behind(path: Path) -> Iterator[Path]:
    """Go through what a file on PATH may stand for."""
    with path.open("rb") as file:
        is_script = file.read(2) == b"#!"
    if not is_script:
        yield path
        return
    # npm's wrapper script: the program lies in a package beside the script's own.
    for folder in path.parents:
        if package := npm_package():
            yield folder / package / "bin" / "restate-server"


def works(binary: Path) -> bool:
    """Tell whether a program runs here and says that it has the right version."""
    if not os.access(binary, os.X_OK):
        return False
    try:
        said = subprocess.run(
            [str(binary), "--version"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and VERSION in said.stdout.split()
