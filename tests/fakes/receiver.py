"""A receiver of webhooks: answers as a test says, and keeps what it was told."""

import json
import threading
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from fakes.script import WAIT_S
from fakes.waiting import wait_until

SECRET = f"whsec_{b64encode(bytes(range(32))).decode()}"
NEXT_SECRET = f"whsec_{b64encode(bytes(range(1, 33))).decode()}"


@dataclass(frozen=True)
class Says:
    """An answer; `held` holds it back until it is set, `cut` ends the connection instead."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    held: threading.Event | None = None
    cut: bool = False


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def what(self) -> str:
        """What happened, in a word: the event, and how the run stood."""
        return f"{self.event['type']} {self.event['data']['run']['status']}"


class Receiver:
    """The server. What has no script is answered 204."""

    def __init__(self) -> None:
        self._received = defaultdict[str, list[Received]](list)
        self._answers = defaultdict[str, deque[Says]](deque)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._serve(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        receiver = cls()
        thread = threading.Thread(target=receiver._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver._server.shutdown()
            receiver._server.server_close()
            thread.join()

    @property
    def settings(self) -> Mapping[str, str]:
        """What lets a stack tell this receiver."""
        secrets = {"main": SECRET, "both": [NEXT_SECRET, SECRET]}
        hosts = {"WEBHOOK_HOSTS": "hooks.example.org", "WEBHOOK_PRIVATE_HOSTS": self.host}
        return {**hosts, "WEBHOOK_SECRETS": json.dumps(secrets)}

    def webhook(self, key: str, **more: Any) -> dict[str, Any]:
        """Return what a start has by which a test's address is told."""
        return {"url": self.url(key), "secret": "main", **more}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, key: str) -> str:
        """Return an address of a test's own."""
        return f"http://{self.host}/{_path(key)}"

    def script(self, key: str, *answers: Says) -> None:
        """Say how the next requests to a test's address are answered."""
        self._answers[_path(key)].extend(answers)

    def received(self, key: str) -> list[Received]:
        """Return what came to a test's address."""
        return list(self._received[_path(key)])

    def wait_for(self, key: str, count: int = 1) -> list[Received]:
        """Wait until so much has come."""
        return wait_until(
            lambda: found if len(found := self.received(key)) >= count else None,
            f"{count} requests for {key}",
        )

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.removeprefix("/")
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        answers = self._answers[path]
        says = answers.popleft() if answers else Says()
        self._received[path].append(Received(handler.path, headers, body))
        if says.held:
            says.held.wait(WAIT_S)
        if says.cut:
            handler.close_connection = True
            return
        try:
            handler.send_response(says.status)
            for name, value in {"content-length": "0", **says.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
        except ConnectionError:
            handler.close_connection = True  # nobody waited for it


def _path(key: str) -> str:
    return key.replace(" ", "-")
