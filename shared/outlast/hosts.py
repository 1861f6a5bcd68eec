"""Under which names a server answers: a name that is not its own is another page's doing.

A page can have its own name lead to this machine (DNS rebinding). The browser then takes what is
here for the page's own, but still says in `Host` by which name it came.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

# No user, no path, no space: what browsers write there.
_AUTHORITY = re.compile(
    r"(?:\[([0-9a-f:.]+)]|([a-z0-9_][a-z0-9._-]*?)\.?)(?::([0-9]{1,5}))?", re.IGNORECASE | re.ASCII
)


class Authority(NamedTuple):
    """A host as `Host` and URLs name it: in lower case, without brackets or a last dot."""

    host: str
    port: int | None


def parse_authority(text: str) -> Authority | None:
    """Read `host`, `host:port` or `[address]:port`; None if it is nothing of the kind."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    address, name, digits = found.groups()
    port = int(digits) if digits else None
    if port is not None and port > 65535:
        return None
    if name:
        return Authority(name.lower(), port)
    try:
        return Authority(str(ipaddress.IPv6Address(address)), port)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address is this machine's own, out of others' reach."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    # The same for all versions of Python that we run on.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


class Hosts:
    """The names that a server answers to: loopback's, and those that it is told."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        """Take names and addresses without a port; brackets don't matter."""
        self._more = frozenset(host.strip("[]").rstrip(".").lower() for host in more)

    def has(self, host: str) -> bool:
        """Tell whether a host, as `parse_authority` returns it, is one of them."""
        return is_loopback(host) or host in self._more


def split_at_commas(names: Any) -> Any:
    """Read a list of a setting, as pydantic's validators take it."""
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else names


def _host(name: str) -> str:
    host = f"[{name}]" if ":" in name and not name.startswith("[") else name
    authority = parse_authority(host)
    if authority is None or authority.port is not None:
        raise ValueError("must be a name or an address without a port, such as devbox.example.org")
    return authority.host


HostNames = Annotated[
    list[Annotated[str, AfterValidator(_host)]], NoDecode, BeforeValidator(split_at_commas)
]
"""A setting: names without ports, separated by commas."""
