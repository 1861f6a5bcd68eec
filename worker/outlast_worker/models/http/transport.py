"""How bytes go to a provider and come back: connections, proxies, certificates, limits."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from outlast_worker.models.faults import CallFailed, Symptoms

MAX_ANSWER_BYTES = 32 * 1024 * 1024
_MAX_HEADER_BYTES = 64 * 1024
_MAX_ERROR_BYTES = 256 * 1024
_KEEP_ALIVE_S = 30
_ENDS_WITHIN_S = 0.1


class Transport:
    """The connections of one event loop. Made at the first request."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    @asynccontextmanager
    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a request; leaving before the answer has ended aborts it at the provider.

        Raises:
            CallFailed: Nobody answers, or the connection breaks.
        """
        try:
            # A redirect would take the key to an address that nobody has set.
            async with await self._send(url, headers, body) as response:
                yield response
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise CallFailed(Symptoms(_text(error), "disconnected")) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        try:
            return await self._open().post(
                url, headers=headers, data=body, proxy=self._proxy_for(url), allow_redirects=False
            )
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError) as error:
            raise not_an_address(url) from error
        except aiohttp.ClientConnectionError:  # of a certificate's it is a ValueError, too
            raise
        except ValueError as error:  # a key or another header that nobody could send
            raise CallFailed(Symptoms(str(error), "key-refused")) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    # Made now: aiohttp's own is older than what `.env` says (SSL_CERT_FILE).
                    ssl=ssl.create_default_context(),
                    limit=0,
                    keepalive_timeout=_KEEP_ALIVE_S,
                ),
                timeout=aiohttp.ClientTimeout(total=None),  # whoever asks has deadlines
                cookie_jar=aiohttp.DummyCookieJar(),
                # Streams that are packed come in lumps.
                headers={"accept-encoding": "identity", "user-agent": "outlast"},
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session

    def _proxy_for(self, url: str) -> str | None:
        # Not aiohttp's `trust_env`: that asks in two threads at each request, and takes logins of
        # `.netrc` for its own, which no request with a key can have.
        if url not in self._proxies:
            self._proxies[url] = _find_proxy(url)
        return self._proxies[url]


def _find_proxy(url: str) -> str | None:
    """Return the proxy that the machine's settings name (HTTPS_PROXY and the like)."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxy = getproxies().get(parts.scheme)
    return None if proxy is None or urlsplit(proxy).scheme == "https" else proxy


def not_an_address(url: str) -> CallFailed:
    """Make the failure of a call to what no server can be at."""
    text = f"{url!r} is no address of a server; correct base_url in WORKER_PROVIDERS."
    return CallFailed(Symptoms(text, status=400))


async def let_end(response: aiohttp.ClientResponse) -> None:
    """Give an answer whose last event was read a moment to end: then its connection is kept."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_ENDS_WITHIN_S):
            while await response.content.readany():
                pass


async def read_error_text(response: aiohttp.ClientResponse) -> str:
    """Read as much of an error's body as may be of use."""
    body = b""
    async for data in response.content.iter_any():
        body += data
        if len(body) > _MAX_ERROR_BYTES:
            break
    return body[:_MAX_ERROR_BYTES].removeprefix(b"\xef\xbb\xbf").decode(errors="replace")


def count_bytes(size: int, data: bytes) -> int:
    """Return the size with more data.

    Raises:
        CallFailed: It is above the limit.
    """
    size += len(data)
    if size > MAX_ANSWER_BYTES:
        limit = f"{MAX_ANSWER_BYTES >> 20} MiB"
        raise CallFailed.malformed(f"The model's answer is larger than {limit}.")
    return size


def _text(error: Exception) -> str:
    return f"The connection to the model's provider failed: {str(error) or type(error).__name__}"
