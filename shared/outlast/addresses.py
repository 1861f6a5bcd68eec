"""Where a server of ours is reached: over TCP, or by a Unix socket."""

import os
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

MAX_SOCKET_PATH_BYTES = 103
"""Of a Unix socket, on macOS; Linux takes four more."""


class Address(NamedTuple):
    """A server's URL, as it was written and as clients take it."""

    url: str
    base_url: str
    socket: str | None
    """The path of the Unix socket that leads there, if the URL's host does not."""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read `http://…`, or `unix:///path/of/a.sock` for HTTP over that socket.

        Raises:
            ValueError: It is neither, or no socket can have that path.
        """
        parts = _split(url)
        if parts and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return cls(url, url.rstrip("/"), None)
        if parts is None or parts.scheme != "unix" or parts.netloc or parts.path[:1] != "/":
            raise ValueError(
                "must be an address such as http://127.0.0.1:8080 or unix:///path/of/a.sock"
            )
        length = len(os.fsencode(parts.path))
        if length > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"has a path of {length} bytes, but a socket's ends at {MAX_SOCKET_PATH_BYTES}"
            )
        return cls(url, "http://localhost", parts.path)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is read, and may turn out wrong, only here
    except ValueError:
        return None
    return parts
