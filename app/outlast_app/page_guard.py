"""Keeps web pages from driving an app without keys, which takes whoever reaches it for its owner.

A browser on this machine reaches loopback for any page that it shows. It says in `Host` by which
name the page came here (DNS rebinding), and in `Origin` and `Sec-Fetch-Site` whose page it is: a
page can change neither. Programs such as curl send none of the last two.
https://www.w3.org/TR/fetch-metadata/
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from outlast.errors import ForeignHost, ForeignPage, Problem
from outlast.hosts import Authority, Hosts, parse_authority
from outlast_app.errors import render
from outlast_app.prefix import path_of
from outlast_app.probes import PROBES

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": 80, "https": 443}
_SHOWN_CHARS = 100


class PageGuard:
    """A middleware that refuses what a page of another origin, or under another name, asks for."""

    def __init__(self, app: ASGIApp, hosts: Hosts, origins: Sequence[str]) -> None:
        """Know whom to let in.

        Args:
            app: What is guarded.
            hosts: The names under which it may be called.
            origins: Other pages that may call it; `*` lets in all.
        """
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        problem = self._refuse(scope) if scope["type"] == "http" else None
        serve = self._app if problem is None else render(problem)
        return await serve(scope, receive, send)

    def _refuse(self, scope: Scope) -> Problem | None:
        """Return what is wrong with a request; None to let it in."""
        if path_of(scope) in PROBES:  # they say nothing of anybody
            return None
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        called = parse_authority(named[0]) if len(named) == 1 else None
        if called is None or not self._hosts.has(called.host):
            shown = ", ".join(named)[:_SHOWN_CHARS] or "no name at all"
            return ForeignHost(
                f"Without APP_KEYS this app answers to localhost, loopback addresses and the "
                f"names in APP_PUBLIC_HOSTS, not to {shown}. Call it by one of those, add the "
                "name, or set APP_KEYS."
            )
        if scope["method"] in _SAFE:
            return None
        pages = headers.getlist("origin")
        if foreign := [page for page in pages if not self._may_call(page, called)]:
            return _foreign_page(foreign[0][:_SHOWN_CHARS])
        if not pages and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return _foreign_page("another site")
        return None

    def _may_call(self, origin: str, called: Authority) -> bool:
        if origin.lower() in self._origins or "*" in self._origins:
            return True
        scheme, _, rest = origin.lower().partition("://")
        page, default = parse_authority(rest), _PORTS.get(scheme)
        if page is None or default is None or page.host != called.host:
            return False
        return (page.port or default) == (called.port or default)


def _foreign_page(whose: str) -> ForeignPage:
    return ForeignPage(
        f"The request comes from a page of {whose}. Without APP_KEYS only this app's own pages and "
        "those of APP_CORS_ORIGINS may change anything here. Add its origin there if whoever "
        "visits that page may, or set APP_KEYS."
    )
