"""The containers of a folder, driven by `docker compose` alone, as somebody would by hand."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.api import Api
from outlast_local.ports import free_ports

_COMMAND_TIMEOUT_S = 600
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Compose:
    """A project with a name and ports of its own, so that it disturbs no other one."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, str]) -> None:
        app, ingress, admin = free_ports(3)
        self.folder = folder
        self.project = f"{name}-{os.getpid()}"
        self.ingress_url = f"http://127.0.0.1:{ingress}"
        self.admin_url = f"http://127.0.0.1:{admin}"
        self._base = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERITED or name.startswith(("DOCKER_", "BUILDKIT_", "BUILDX_"))
        } | {
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_PROGRESS": "plain",
            "APP_PORT": str(app),
            "RESTATE_INGRESS_PORT": str(ingress),
            "RESTATE_ADMIN_PORT": str(admin),
        }
        self.settings = settings
        self.api = Api(f"http://127.0.0.1:{app}")

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` and return what it prints."""
        return self.docker("compose", *arguments, check=check)

    def docker(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            cwd=self.folder,
            env={**self._base, **self.settings},
            capture_output=True,
            text=True,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done.stdout

    def up(self) -> None:
        try:
            self("up", "--wait")
        except AssertionError:
            print(self("logs", "--tail", "50", check=False))  # noqa: T201  # pytest shows it
            raise

    def remove(self) -> None:
        """Take away all that was made."""
        self.api.close()
        everything = ("--volumes", "--rmi", "local", "--remove-orphans")
        self("--profile", "*", "down", *everything, "--timeout", "5", check=False)

    def container(self, service: str) -> str:
        return self("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        return json.loads(self.docker("inspect", self.container(service)))[0]

    def started_at(self, service: str) -> str:
        return self.inspect(service)["State"]["StartedAt"]

    def python(self, service: str, code: str, *, check: bool = True) -> str:
        """Run Python in a service's container."""
        return self("exec", "--no-TTY", service, "python", "-c", code, check=check).strip()

    def kill(self, service: str) -> None:
        """Send SIGKILL, which the engine takes for an operator's wish, and start it again."""
        self.docker("kill", self.container(service))
        self("start", service)

    def crash(self, service: str) -> None:
        """Send SIGKILL to all but the init process: the engine restarts the container itself."""
        self.python(service, "import os; os.kill(-1, 9)", check=False)

    def asked(self, service: str, url: str, method: str = "GET") -> int:
        """Return the status that an address answers to one of the services."""
        return int(
            self.python(
                service,
                "import urllib.error, urllib.request as u\n"
                f"request = u.Request({url!r}, method={method!r})\n"
                "try: print(u.urlopen(request).status)\n"
                "except urllib.error.HTTPError as error: print(error.code)",
            )
        )

    def lacks(self, service: str, modules: str) -> bool:
        """Tell whether none of these modules, separated by spaces, is in a service's image."""
        found = self.python(
            service,
            "import importlib.util as util;"
            f"print([name for name in {modules.split()} if util.find_spec(name)])",
        )
        return found == "[]"

    def is_locked_down(self, service: str) -> bool:
        """Tell whether a service is nobody special, and can't change what it runs."""
        folders = ("/srv", "/venv", "/usr/local")
        code = f"import os; print(os.getuid(), [f for f in {folders} if os.access(f, os.W_OK)])"
        host = self.inspect(service)["HostConfig"]
        return (
            self.python(service, code) == "10001 []"
            and host["ReadonlyRootfs"]
            and host["CapDrop"] == ["ALL"]
            and "no-new-privileges:true" in host["SecurityOpt"]
        )

    def published(self, service: str) -> set[str]:
        """Return the addresses of this machine that lead to a service."""
        bindings = self.inspect(service)["HostConfig"]["PortBindings"] or {}
        return {binding["HostIp"] for port in bindings.values() for binding in port}


def skip_without_engine() -> None:
    """Skip, loudly, where there is no Docker."""
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except FileNotFoundError:
            pytest.skip("no Docker: the containers are NOT tested")
        if done.returncode:
            pytest.skip(f"no Docker engine ({done.stderr.strip()}): the containers are NOT tested")
