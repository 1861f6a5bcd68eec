"""Decides who comes in, by what a browser says of a page and the page can't change.

`Host`, `Origin` and `Sec-Fetch-*` are the browser's own words. Programs such as curl send neither
of the last two. https://www.w3.org/TR/fetch-metadata/
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from multidict import MultiMapping

from outlast.errors import ForeignHost, ForeignPage, Problem
from outlast.hosts import Authority, Hosts, parse_authority
from outlast_local.guard.problems import UnclearHead

DoorName = Literal["ingress", "admin"]
DOORS: tuple[DoorName, ...] = get_args(DoorName)

_SHOWN_CHARS = 100
# A path with its query, or a whole URL as proxies get it.
_TARGET = re.compile(r"(?:https?://([^/?#]*)(?:[/?#].*)?|/.*)", re.IGNORECASE | re.ASCII)
# Typed or bookmarked, and what this server's own pages load.
_OWN_SITE = ("none", "same-origin")
_FOLLOWED_LINK: Mapping[str, str] = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
_UNCLEAR_HOST = (
    "Send a path, and one Host header: a name or an address, and a port if it is not 80."
)
_BEHIND: Mapping[DoorName, str] = {"ingress": "ingress", "admin": "admin API"}
_INSTEAD: Mapping[DoorName, str] = {
    "ingress": "Pages call the app instead, which lets in those of APP_CORS_ORIGINS.",
    "admin": "Operators have Restate's UI at this address, its command line, and curl.",
}


@dataclass(frozen=True)
class Request:
    """What is known of a request before its body."""

    method: str
    target: str
    """As it came."""
    headers: MultiMapping[str]


class Doorkeeper:
    """Keeps one door."""

    def __init__(
        self, door: DoorName, hosts: Hosts, ports: Collection[int], origins: Collection[str]
    ) -> None:
        """Know whom to let in.

        Args:
            door: What is behind it.
            hosts: Names under which it may be called.
            ports: Of all doors: a page from one of them is Restate's UI.
            origins: Further pages that may come in.
        """
        self._door: DoorName = door
        self._hosts = hosts
        self._ports = ports
        self._origins = frozenset(origin.lower() for origin in origins)

    def refuse(self, request: Request) -> Problem | None:
        """Return what is wrong with a visitor; None to let it in."""
        called = _called(request)
        if called is None:
            return UnclearHead(_UNCLEAR_HOST)
        if not self._hosts.has(called.host):
            return self._foreign_host(called.host)
        pages = request.headers.getall("Origin", [])
        if foreign := [page for page in pages if not self._is_own(page, called)]:
            return self._foreign_page(f"a page of {foreign[0][:_SHOWN_CHARS]}")
        # A page that is known may be of another site: the UI at one door calls the other one.
        if pages or all(site in _OWN_SITE for site in request.headers.getall("Sec-Fetch-Site", [])):
            return None
        return None if self._opens_ui(request) else self._foreign_page("a page of another site")

    def _is_own(self, origin: str, called: Authority) -> bool:
        if origin.lower() in self._origins:
            return True
        scheme, _, rest = origin.partition("://")
        page = parse_authority(rest)
        if scheme != "http" or page is None or not self._hosts.has(page.host):
            return False
        # The second holds where a port was forwarded, which nobody here knows of.
        return (page.port or 80) in self._ports or page == called

    def _opens_ui(self, request: Request) -> bool:
        """Tell whether somebody follows a link to the UI, which is but files.

        The page that has the link can neither read nor frame what it opens.
        """
        path = request.target.partition("?")[0]
        return (
            self._door == "admin"
            and request.method == "GET"
            and (path in {"/", "/ui"} or path.startswith("/ui/"))
            and all(request.headers.get(name) == value for name, value in _FOLLOWED_LINK.items())
        )

    def _foreign_host(self, host: str) -> Problem:
        return ForeignHost(
            f"Restate's {_BEHIND[self._door]} answers here to localhost and loopback addresses, "
            f"not to {host[:_SHOWN_CHARS]}. Call it by one of those, or add the name to "
            "GUARD_PUBLIC_HOSTS."
        )

    def _foreign_page(self, whose: str) -> Problem:
        return ForeignPage(
            f"The request comes from {whose}, to which Restate's {_BEHIND[self._door]} is closed. "
            f"{_INSTEAD[self._door]} If you followed a link, go to the address bar and press "
            "Enter. If whoever visits that page may do anything here, add its origin to "
            "GUARD_CORS_ORIGINS."
        )


def _called(request: Request) -> Authority | None:
    """Return whom a request is for; None unless it says so once, or twice the same."""
    target = _TARGET.fullmatch(request.target)
    names = request.headers.getall("Host", [])
    if target is None or len(names) != 1:
        return None
    called = parse_authority(names[0])
    return called if target[1] is None or parse_authority(target[1]) == called else None
