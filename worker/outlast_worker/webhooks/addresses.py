"""To which addresses a webhook's request may go: none from which only this network is reached.

Looked at where the connection is made, and not where a name was resolved: a name may lead to
another address a moment later.
"""

import ipaddress
import socket
from typing import Any

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Names lead there in networks that have IPv6 alone; what follows is the IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What IANA's registries say is not reached by all the world, and versions of Python don't.
_SPECIAL = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # for protocols of the network itself
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4, which are no more
    ipaddress.IPv6Network("3fff::/20"),  # documentation
)
# Azure's host, which its virtual machines reach under an address that is public otherwise.
_METADATA = frozenset({ipaddress.IPv4Address("168.63.129.16")})


class NotPublic(OSError):
    """A connection that may not be made."""


def is_public(text: str) -> bool:
    """Tell whether an address is one that all the world reaches alike."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        within = _ipv4_within(address)
        if within is None:
            return address in _GLOBAL_UNICAST and _is_global(address)
        address = within
    # What `is_global` says of multicast differs between versions of Python.
    return _is_global(address) and not address.is_multicast and address not in _METADATA


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not any(address in network for network in _SPECIAL)


def public_socket(address_info: Any) -> socket.socket:
    """Make the socket of a connection, as `socket.getaddrinfo` describes it.

    Raises:
        NotPublic: It would lead to an address that is not.
    """
    if not is_public(address_info[4][0]):
        raise NotPublic("the address is not public")
    return any_socket(address_info)


def any_socket(address_info: Any) -> socket.socket:
    """Make the socket of a connection to any address."""
    family, kind, protocol, _, _ = address_info
    return socket.socket(family, kind, protocol)


def _ipv4_within(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the address that one of the other kind stands for, which is the one reached."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
