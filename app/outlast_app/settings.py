"""The app's settings, from the environment and `.env`."""

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from outlast.contract import MAX_IN_LINE
from outlast.hosts import HostNames, is_loopback, split_at_commas
from outlast.settings import HttpAddress, SharedSettings
from outlast.settings_errors import FromJson
from outlast_app.keyring import Key, TenantKeys

MAX_BODY_BYTES = 8 * 1024 * 1024
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){1,10}")
OWN_ADDRESSES = frozenset(
    {
        "ag-ui",
        "agents",
        "ai-sdk",
        "approvals",
        "calls",
        "docs",
        "healthz",
        "openapi.json",
        "readyz",
        "redoc",
        "runs",
        "threads",
        "v1",
    }
)
"""With what the paths of the app begin."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+")
_KEYS = '{"acme": [{"name": "desk", "sha256": "9f86d0…", "rights": ["invoke", "read", "approve"]}]}'
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")

Seconds = Annotated[float, Field(gt=0)]


def _origin(origin: str) -> str:
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise ValueError("must be an origin such as https://example.org")
    return origin


def _root_path(path: str) -> str:
    path = path.rstrip("/")
    if path and not ROOT_PATH.fullmatch(path):
        raise ValueError("must be a path such as /outlast")
    if path.split("/")[1:2] and path.split("/")[1] in OWN_ADDRESSES:
        raise ValueError("must not begin like an address of the app's own; take /outlast")
    return path


_LOOPBACK: list[IPvAnyNetwork] = [IPv4Network("127.0.0.1"), IPv6Network("::1")]
Networks = Annotated[list[IPvAnyNetwork], NoDecode, BeforeValidator(split_at_commas)]
ProtocolName = Literal["openai", "ag-ui", "ai-sdk"]


def _protocols(names: Any) -> Any:
    return [] if names == "none" else split_at_commas(names)


Protocols = Annotated[list[ProtocolName], NoDecode, BeforeValidator(_protocols)]


class AppSettings(SharedSettings):
    """`APP_*`, and what the worker reads too."""

    model_config = SettingsConfigDict(
        env_file=".env", env_prefix="APP_", extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8070, ge=0, le=65535)
    keys: FromJson[dict[str, TenantKeys]] = Field(
        default_factory=dict[str, list[Key]],
        examples=[_KEYS],
    )
    """Bearer keys by tenant. Tenants don't see each other's runs and threads."""
    allow_no_keys: bool = False
    """Serve without keys on an address that others can reach."""
    public_hosts: HostNames = Field(
        default_factory=list[str], examples=["agents.example.org,10.0.0.7"]
    )
    """Without keys: names beside loopback's under which the app may be called."""
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(default="", examples=["/outlast"])
    """The prefix under which a proxy serves the app, whether or not it takes it off."""
    trusted_proxies: Networks = Field(default=_LOOPBACK, examples=["127.0.0.1,::1"])
    """Whose `X-Forwarded-Prefix` counts."""
    streams_url: HttpAddress | None = Field(default=None, validation_alias="APP_WORKER_URL")
    """Where the app reaches the worker's live events; WORKER_URL if not given."""
    cors_origins: FromJson[list[Annotated[str, AfterValidator(_origin)]]] = Field(
        default_factory=list[str], examples=['["https://example.org"]']
    )
    """Web pages that may call the app from a browser."""
    max_body_bytes: int = Field(default=MAX_BODY_BYTES, gt=0, le=MAX_BODY_BYTES)
    """Larger ones could not be replayed beside a long conversation."""
    max_queued_per_thread: int = Field(default=MAX_IN_LINE, ge=0)
    """How many runs may wait for a thread; further ones are refused."""
    wait_timeout_s: Seconds = 50
    """How long a plain start waits for the run's end: less than the 60 s of most proxies."""
    protocols: Protocols = Field(
        default=["openai", "ag-ui", "ai-sdk"], examples=["openai,ag-ui,ai-sdk"]
    )
    """Which other protocols the app speaks, beside its own; `none` for none."""
    protocol_wait_s: Seconds = 540
    """How long their plain calls wait: less than the 600 s of OpenAI's libraries."""

    max_runs_per_key: int | None = Field(default=None, ge=1)
    """How many runs a key may start within a minute, at this process; any number if not given."""
    max_streams_per_key: int | None = Field(default=None, ge=1)
    """How many streams of events a key may have open, at this process; any number if not given."""

    @model_validator(mode="after")
    def _can_be_served(self) -> Self:
        for number, tenant in enumerate(self.keys, start=1):
            if not _TENANT.fullmatch(tenant):
                # Without the name: where tenant and key were swapped, it is the key.
                raise ValueError(
                    f"APP_KEYS: name {number} is not a tenant name; "
                    "use letters, digits, . _ and -, at most 64 of them"
                )
        own = [key.sha256 for keys in self.keys.values() for key in keys]
        if len(set(own)) < len(own):
            raise ValueError(
                "APP_KEYS: a key is there twice; it can't stand for two tenants, or have two names"
            )
        if self.keys and not own:
            # As after the last one was taken out: everybody would have all rights.
            raise ValueError(
                "APP_KEYS names tenants and no key, so that nobody could call. Make one with "
                "`python -m outlast_app.new_key`, or leave APP_KEYS out to serve without keys"
            )
        if not own and not self.allow_no_keys and not is_loopback(self.host):
            raise ValueError(
                f"APP_HOST={self.host} can be reached by others and there are no APP_KEYS. "
                "Set APP_KEYS, or APP_ALLOW_NO_KEYS=true if something else guards the app"
            )
        if not own and not is_loopback(self.host) and not self.public_hosts:
            raise ValueError(
                "APP_ALLOW_NO_KEYS=true needs APP_PUBLIC_HOSTS: the names under which the app is "
                "called, such as agents.example.org; any other name is another page's doing"
            )
        return self
