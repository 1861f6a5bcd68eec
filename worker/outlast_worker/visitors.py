"""Keeps web pages off the worker: its callers, Restate and the app, are not browsers."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from outlast.hosts import Hosts, parse_authority
from outlast.live import STREAMS_PATH
from outlast_worker.asgi import Scope
from outlast_worker.settings import WorkerSettings

Refusal = tuple[int, bytes]

_OF_NO_OTHER_PAGE = (b"", b"none", b"same-origin")
_FOREIGN_PAGE: Refusal = (403, b"web pages may not call the worker")
_FOREIGN_HOST: Refusal = (
    421,
    (
        b"the worker answers to loopback names and the host of WORKER_URL, and to others where "
        b"callers prove who they are (WORKER_IDENTITY_KEYS, STREAM_SECRET)"
    ),
)


class Visitors:
    """Tells who may call the worker at all. What they show is checked by whom they call."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._hosts = Hosts([urlsplit(settings.worker_url).hostname or ""])
        self._restate_signs = bool(settings.all_identity_keys())
        self._app_has_secret = settings.stream_key() is not None

    def refuse(self, scope: Scope) -> Refusal | None:
        """Return the answer to somebody who has no business here."""
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        site = headers.get(b"sec-fetch-site", b"")
        if b"origin" in headers or site not in _OF_NO_OTHER_PAGE:
            return _FOREIGN_PAGE
        host = parse_authority(headers.get(b"host", b"").decode("latin-1"))
        if (host and self._hosts.has(host.host)) or self._shows_proof(scope["path"], headers):
            return None
        return _FOREIGN_HOST

    def _shows_proof(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether the name does not matter: platforms make up names for what they start."""
        if path.startswith(f"{STREAMS_PATH}/"):
            return self._app_has_secret and b"authorization" in headers
        return self._restate_signs and b"x-restate-jwt-v1" in headers
