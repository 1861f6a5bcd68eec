"""What the commands of the local stack read from the environment and the project's `.env`.

App, worker and compose read the same names.
"""

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from outlast.settings import AgentsModule, HttpAddress
from outlast_local.errors import ForeignRestate
from outlast_local.stack import Ports

Port = Annotated[int, Field(ge=1, le=65535)]

DATA = ".outlast"
"""The folder with the data of a project's stacks, beside its `.env`."""

_DEFAULTS = Ports()
_GIVEN = (
    "app_host",
    "worker_host",
    "restate_ingress_url",
    "restate_admin_url",
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
    restate_ingress_url: HttpAddress | None = None
    restate_admin_port: Port | None = None
    restate_admin_url: HttpAddress | None = None
    restate_node_port: Port = _DEFAULTS.node
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
            node=self.restate_node_port,
            model=self.demo_model_port,
        )

    def given(self) -> dict[str, str]:
        """Return what comes before the stack's own choice, as variables for app and worker."""
        return {name.upper(): value for name in _GIVEN if (value := getattr(self, name))}

    def check_own_restate(self) -> None:
        """Refuse an address of Restate that the stack's own would not have.

        Raises:
            ForeignRestate: With what to change.
        """
        ports = self.ports()
        for name, port in (("INGRESS", ports.ingress), ("ADMIN", ports.admin)):
            url = self.given().get(f"RESTATE_{name}_URL")
            if url and not (_is_here(url) and urlsplit(url).port == port):
                raise ForeignRestate(
                    f"RESTATE_{name}_URL is {url}, but this command starts a Restate of its own, "
                    f"at http://127.0.0.1:{port}. Take RESTATE_{name}_URL out of the environment "
                    f"and .env, or let RESTATE_{name}_PORT say the same."
                )


def _port_of(url: str | None, default: int) -> int:
    return (urlsplit(url).port or default) if url and _is_here(url) else default


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
