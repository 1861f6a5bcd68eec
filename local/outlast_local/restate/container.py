"""The Restate server in Docker, on the host's network and with its data in the stack's folder.

`docker run` stays as the server's process: it passes SIGTERM on. What SIGKILL would leave behind
is found by the container's id, which Docker writes into the stack's folder.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from outlast_local.errors import NotFetched
from outlast_local.restate import VERSION

IMAGE = f"restatedev/restate:{VERSION}"
_ID_FILE = "restate.cid"
_ANSWER_S = 10
_REMOVE_S = 30


def is_usable() -> bool:
    """Tell whether Docker can run a server that is on this machine's loopback.

    Docker Desktop and rootless Docker have a network of their own.
    """
    if platform.system() != "Linux" or shutil.which("docker") is None:
        return False
    endpoint = _ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    security = _ask("info", "--format", "{{json .SecurityOptions}}")
    if endpoint is None or security is None or not endpoint.startswith("unix://"):
        return False
    return not any("rootless" in option for option in json.loads(security) or ())


def pull() -> None:
    """Fetch the image, if it is not there.

    Raises:
        NotFetched: Docker could not; it has said why.
    """
    if _ask("image", "inspect", "--format", "{{.Id}}", IMAGE):
        return
    sys.stderr.write(f"Fetching {IMAGE} with Docker, once …\n")
    if subprocess.run(["docker", "pull", IMAGE], stdout=sys.stderr, check=False).returncode:
        raise NotFetched(f"Docker could not fetch {IMAGE}.")


def command(
    folders: Sequence[Path], config: Path, settings: Mapping[str, str], arguments: Sequence[str]
) -> list[str]:
    """Return what runs the server in the foreground."""
    return [
        *("docker", "run", "--rm", "--init", "--network", "host"),
        *("--user", f"{os.getuid()}:{os.getgid()}"),
        *("--cidfile", str(folders[0] / _ID_FILE)),
        *(part for folder in folders for part in ("--volume", f"{folder}:{folder}")),
        *("--volume", f"{config}:{config}:ro"),
        *(part for name, value in settings.items() for part in ("--env", f"{name}={value}")),
        IMAGE,
        *arguments,
    ]


def remove(directory: Path) -> None:
    """End the container of the stack in this folder, if it is still there."""
    file = directory / _ID_FILE
    if not file.exists():
        return
    if container := file.read_text().strip():
        _ask("rm", "--force", container, timeout_s=_REMOVE_S)
    file.unlink(missing_ok=True)


def _ask(*arguments: str, timeout_s: float = _ANSWER_S) -> str | None:
    """Return what Docker says, or None where it fails or does not answer."""
    try:
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
