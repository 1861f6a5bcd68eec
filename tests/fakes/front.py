"""What stands around an app that is tested in this process, and how its answers are checked."""

import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import httpx

RUN_ID = "support.aaaaaaaaaaaaaaaaaaaaaaaaaa"
LISTINGS = ["/runs", "/threads", "/approvals"]
CALLS = [
    ("POST", "/agents/support/runs"),
    ("GET", f"/runs/{RUN_ID}"),
    ("GET", f"/runs/{RUN_ID}/result"),
    ("GET", f"/runs/{RUN_ID}/events"),
    ("POST", f"/runs/{RUN_ID}/cancel"),
    ("POST", f"/runs/{RUN_ID}/resume"),
    ("GET", "/threads/t"),
    ("GET", "/threads/t/messages"),
    ("DELETE", "/threads/t"),
]
QUICK_S = 5
Client = httpx.AsyncClient
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@contextmanager
def saying(answer: bytes, at: Mapping[str, bytes] | None = None) -> Iterator[str]:
    """Serve these bytes to everybody, or others at some paths; return the address."""
    answers = {path.encode(): said for path, said in (at or {}).items()}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            path = self.request.recv(65536).split(b" ")[1:2]
            self.request.sendall(answers.get(b"".join(path), answer))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False  # a client may keep a connection and send nothing

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def spoken(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Odd\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check that an answer is a problem document of this type, and return it."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert (response.status_code, document["status"], document["type"]) == (status, status, slug)
    assert document["title"]
    assert document["detail"]
    return document
