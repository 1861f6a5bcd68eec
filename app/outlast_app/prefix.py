"""Where a proxy has put the app: under a prefix that clients see, and that addresses need.

It comes from `APP_ROOT_PATH`, or from a trusted proxy's `X-Forwarded-Prefix`. Inside of here a path
begins with the prefix, as ASGI asks, whether or not the proxy has taken it off.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast_app.settings import ROOT_PATH

_OWN_ADDRESSES = ("Location", "Content-Location")


class Prefix:
    """A middleware that makes routes, documentation and `Location` know the prefix."""

    def __init__(
        self, app: ASGIApp, root_path: str, proxies: Iterable[IPv4Network | IPv6Network]
    ) -> None:
        """Know the prefix, or whom to believe.

        Args:
            app: What is behind it.
            root_path: The prefix where no proxy says another; empty for none.
            proxies: Whose `X-Forwarded-Prefix` counts, by the addresses that they connect from.
        """
        self._app = app
        self._root_path = root_path
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        taken_off = self._forwarded(scope)
        prefix = taken_off or self._root_path
        if not prefix:
            return await self._app(scope, receive, send)
        left_on = not taken_off and f"{scope['path']}/".startswith(f"{prefix}/")
        path = scope["path"] if left_on else prefix + scope["path"]

        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in _OWN_ADDRESSES:
                    if (address := headers.get(name, "")).startswith("/"):
                        headers[name] = prefix + address
            await send(message)

        return await self._app({**scope, "root_path": prefix, "path": path}, receive, prefixed)

    def _forwarded(self, scope: Scope) -> str:
        """Return the prefix that a trusted proxy has taken off the path."""
        told = Headers(scope=scope).getlist("x-forwarded-prefix")
        if len(told) != 1 or not self._is_trusted(scope):
            return ""
        prefix = told[0].rstrip("/")
        return prefix if ROOT_PATH.fullmatch(prefix) else ""

    def _is_trusted(self, scope: Scope) -> bool:
        try:
            address = ip_address((scope.get("client") or [""])[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._proxies)


def path_of(scope: Scope) -> str:
    """Return a request's path as the routes know it, without the prefix."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


def mount_of(scope: Scope) -> str:
    """Return where the sub-application is that serves a request, without the prefix; "" for none.

    Starlette keeps the prefix apart once a request has come to a sub-application.
    """
    root_path = scope.get("root_path", "")
    return root_path.removeprefix(scope.get("app_root_path", root_path))
