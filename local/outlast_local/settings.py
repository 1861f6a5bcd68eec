"""What the commands of the local stack read from the environment and the project's `.env`.

App, worker and compose read the same names.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from outlast.hosts import is_loopback
from outlast.settings import AgentsModule, HttpAddress, RestateAddress
from outlast.settings_errors import read_settings
from outlast_local.errors import ForeignRestate, NotRunning
from outlast_local.process_table import ProcessTable
from outlast_local.stack import Ports

Port = Annotated[int, Field(ge=1, le=65535)]

DATA = ".outlast"
"""The folder with the data of a project's stacks, beside its `.env`."""

_DEFAULTS = Ports()
_GIVEN = (
    "app_host",
    "worker_host",
    "worker_url",
)
INVALID_SETTINGS = 2
"""The exit status of app and worker in one process, when no change of the code can mend it."""


class LocalSettings(BaseSettings):
    """What the local stack serves, where it keeps its data and listens. None: not given."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    agents: AgentsModule = Field(default="", validate_default=True)
    stack_dir: Path | None = None
    app_host: str | None = None
    app_port: Port = _DEFAULTS.app
    worker_host: str | None = None
    worker_port: Port | None = None
    worker_url: HttpAddress | None = None
    restate_ingress_port: Port | None = None
    restate_ingress_url: RestateAddress | None = None
    restate_admin_port: Port | None = None
    restate_admin_url: RestateAddress | None = None
    demo_model_port: Port = _DEFAULTS.model

    def directory(self) -> Path:
        """Return the folder for data and logs: one for each module of agents."""
        return self.stack_dir or Path(DATA) / self.agents

    def ports(self) -> Ports:
        """Return where to listen; a port that is not given follows from the address."""
        return Ports(
            app=self.app_port,
            worker=self.worker_port or _port_of(self.worker_url, _DEFAULTS.worker),
            ingress=self.restate_ingress_port
            or _port_of(self.restate_ingress_url, _DEFAULTS.ingress),
            admin=self.restate_admin_port or _port_of(self.restate_admin_url, _DEFAULTS.admin),
            model=self.demo_model_port,
        )

    def given(self) -> dict[str, str]:
        """Return what comes before the stack's own choice, as variables for app and worker."""
        chosen = {name.upper(): value for name in _GIVEN if (value := getattr(self, name))}
        foreign = {f"RESTATE_{door}_URL": url for door, url in self._foreign_restate()}
        return chosen | foreign

    def check_own_restate(self) -> None:
        """Refuse an address of Restate that the stack's own would not have.

        Raises:
            ForeignRestate: With what to change.
        """
        for door, url in self._foreign_restate():
            raise ForeignRestate(
                f"RESTATE_{door}_URL is {url}, but this command starts a Restate of its own, at "
                f"http://127.0.0.1:{getattr(self.ports(), door.lower())}. Take RESTATE_{door}_URL "
                f"out of the environment and .env, or let RESTATE_{door}_PORT say the same."
            )

    def _foreign_restate(self) -> Iterator[tuple[str, str]]:
        """Find addresses that are not the stack's own, where its processes use the sockets."""
        ports = self.ports()
        for door in ("ingress", "admin"):
            url: str | None = getattr(self, f"restate_{door}_url")
            if url and not (_is_here(url) and urlsplit(url).port == getattr(ports, door)):
                yield door.upper(), url


def read_settings_of_started() -> LocalSettings:
    """Read settings for a command on a stack that was started before.

    `AGENTS` may have been set for its start alone. Where it is not, those of the one stack count
    that is here.

    Raises:
        InvalidSettings: With what to write.
        NotRunning: Several stacks are here.
    """
    if {**dotenv_values(".env"), **os.environ}.get("AGENTS"):
        return read_settings(LocalSettings)
    folders = sorted(log.parent for log in Path(DATA).glob("*/restate.log"))
    running = [folder for folder in folders if ProcessTable(folder).alive()]
    match running or folders:
        case []:
            return read_settings(LocalSettings)  # which says that it is missing
        case [folder]:
            return read_settings(LocalSettings, agents=folder.name)
        case several:
            names = ", ".join(folder.name for folder in several)
            raise NotRunning(f"There are several stacks here: {names}. Set AGENTS to one of them.")


def _port_of(url: str | None, default: int) -> int:
    return (urlsplit(url).port or default) if url and _is_here(url) else default


def _is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")
