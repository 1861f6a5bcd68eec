"""Who may be told by webhooks, and with which secrets: the settings `WEBHOOK_*`.

The app refuses by them what a client asks for, and the worker what it is about to do: it may be
set otherwise by then.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from outlast.hosts import Authority, parse_authority, split_at_commas

SECRETS_EXAMPLE = '{"main": "whsec_…", "acme/main": ["whsec_…", "whsec_…"]}'
_SECRET_BYTES = range(24, 65)
_SECRET_NAME = re.compile(r"([A-Za-z0-9._-]{1,64}/)?[A-Za-z0-9._-]{1,64}")
# What all who read URLs read alike: no user, no backslash, no fragment, nothing but ASCII.
_URL = re.compile(r"""(https?)://([^/?#@\\]+)([/?][!"$-\[\]-~]*)?""", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


class Destination(NamedTuple):
    """Where a webhook's requests go."""

    scheme: str
    host: str
    port: int


def parse_destination(url: str) -> Destination | None:
    """Read a webhook's URL; None if it is not one that everybody reads alike."""
    found = _URL.fullmatch(url)
    authority = parse_authority(found[2]) if found else None
    if found is None or authority is None or authority.port == 0:
        return None
    scheme = found[1].lower()
    return Destination(scheme, authority.host, authority.port or _PORTS[scheme])


@dataclass(frozen=True)
class WebhookPolicy:
    """Who may be told, and how it is signed.

    Attributes:
        hosts: Those at public addresses: `host` (of which port 443 counts), `host:port`, or with
            `*.` in front all hosts below one.
        private_hosts: Those that may be at any address, and reached without TLS.
        secrets: By name; one that begins with `tenant/` is that tenant's alone.
    """

    hosts: Sequence[Authority]
    private_hosts: Sequence[Authority]
    secrets: Mapping[str, Sequence[SecretStr]]

    def fault_of(self, url: str) -> str | None:
        """Return why nobody may be told there, in words for who asked for it."""
        if not (self.hosts or self.private_hosts):
            return "webhooks are turned off: an operator names their hosts in WEBHOOK_HOSTS"
        destination = parse_destination(url)
        if destination is None:
            return (
                "write an address such as https://example.org/hook, in ASCII, without a user and "
                "without #"
            )
        if self.is_private(destination):
            return None
        if destination.scheme != "https":
            return "must begin with https:"
        if not any(_names(host, destination) for host in self.hosts):
            return (
                f"{destination.host}:{destination.port} is not in WEBHOOK_HOSTS, where an operator "
                "names the hosts of webhooks"
            )
        return None

    def is_private(self, destination: Destination) -> bool:
        """Tell whether a host may be at a private address, and be reached without TLS."""
        return Authority(destination.host, destination.port) in self.private_hosts

    def keys(self, tenant: str, name: str) -> list[bytes]:
        """Return the keys that sign for a tenant, the one that counts first; none if it has none.

        The tenant's own come before those of the same name that all share.
        """
        found = self.secrets.get(f"{tenant}/{name}") or self.secrets.get(name) or ()
        return [_key(secret.get_secret_value()) for secret in found]


def _names(host: Authority, destination: Destination) -> bool:
    if (host.port or _PORTS["https"]) != destination.port:
        return False
    below = host.host.removeprefix("*")
    return destination.host.endswith(below) if below != host.host else destination.host == below


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def _checked_secret(secret: SecretStr) -> SecretStr:
    try:
        size = len(_key(secret.get_secret_value()))
    except (binascii.Error, ValueError):
        size = 0
    if size not in _SECRET_BYTES or not secret.get_secret_value().startswith("whsec_"):
        raise ValueError(
            "must be whsec_ and 24 to 64 random bytes in Base64, such as "
            'echo "whsec_$(openssl rand -base64 32)" prints'
        )
    return secret


def _checked_name(name: str) -> str:
    if not _SECRET_NAME.fullmatch(name):
        raise ValueError("must be called by letters, digits, . _ and -, or TENANT/NAME of these")
    return name


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _some(secrets: list[SecretStr]) -> list[SecretStr]:
    if not secrets:
        raise ValueError("must have at least one secret")
    return secrets


def _host(text: str) -> Authority:
    wildcard = "*." if text.startswith("*.") else ""
    authority = parse_authority(text.removeprefix(wildcard))
    if authority is None or authority.port == 0:
        raise ValueError("must be hosts such as hooks.example.org, *.example.org or a.example:8443")
    return Authority(f"{wildcard}{authority.host}", authority.port)


def _with_port(text: str) -> Authority:
    authority = parse_authority(text)
    if authority is None or not authority.port:
        raise ValueError("must be hosts with their ports, such as hooks.internal:8000")
    return authority


def _non_empty(hosts: Any) -> Any:
    if not isinstance(hosts, str):
        return hosts
    return [host for host in split_at_commas(hosts) if host]


Secrets = dict[
    Annotated[str, AfterValidator(_checked_name)],
    Annotated[
        list[Annotated[SecretStr, AfterValidator(_checked_secret)]],
        BeforeValidator(_as_list),
        AfterValidator(_some),
    ],
]
PublicHosts = Annotated[
    list[Annotated[Any, AfterValidator(_host)]], NoDecode, BeforeValidator(_non_empty)
]
PrivateHosts = Annotated[
    list[Annotated[Any, AfterValidator(_with_port)]], NoDecode, BeforeValidator(_non_empty)
]
