"""A scripted app: answers a client's requests in the order of a script, and writes them down."""

import json
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from fakes.script import WAIT_S


@dataclass(frozen=True)
class Document:
    """An answer in JSON, or none."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Stream:
    """Server-sent events. `ending` is `whole`, `cut` (no last chunk) or `held` (open for long).

    `silence_s` is how long nothing comes after them. `position` is put before the numbers of those
    that are committed.
    """

    events: Sequence[Mapping[str, Any]]
    run_id: str = ""
    ending: str = "whole"
    silence_s: float = 0
    position: str = ""
    names_run: bool = True


@dataclass(frozen=True)
class Lines:
    """Events as lines of JSON."""

    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Drop:
    """The connection ends without an answer."""


@dataclass(frozen=True)
class Sent:
    """A request as it came."""

    line: str
    headers: Mapping[str, str]
    body: Any


Answer = Document | Stream | Lines | Drop


def problem(status: int, title: str, detail: str, **headers: str) -> Document:
    """Answer with a problem document."""
    body = {"type": "scripted", "title": title, "status": status, "detail": detail}
    return Document(body, status, headers)


class ScriptedApp:
    """The server. What was not scripted is answered 404."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self._answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._released = threading.Event()
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                app._serve(self)

            def do_PATCH(self) -> None:
                app._serve(self)

            def do_DELETE(self) -> None:
                app._serve(self)

            def do_POST(self) -> None:
                app._serve(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        app = cls()
        thread = threading.Thread(target=app._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield app
        finally:
            app.stop()
            thread.join()

    def stop(self) -> None:
        """Go away, and let nobody in any more."""
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def release(self) -> None:
        """Break off the streams that are held."""
        self._released.set()

    def on(self, line: str, *answers: Answer) -> None:
        """Answer requests such as `GET /runs` in this order; the last answer is given again."""
        self._answers[line].extend(answers)

    def sent(self, line: str) -> list[Sent]:
        """Return the requests of a method and a path."""
        return [request for request in self.requests if request.line.partition("?")[0] == line]

    def wait_for(self, line: str, times: int = 1) -> None:
        """Wait for a request."""
        deadline = time.monotonic() + WAIT_S
        while len(self.sent(line)) < times:
            assert time.monotonic() < deadline, f"no {line} in {self.requests}"
            time.sleep(0.01)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("content-length") or 0)
        body = json.loads(handler.rfile.read(size)) if size else None
        line = f"{handler.command} {handler.path}"
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(Sent(line, headers, body))
        answers = self._answers[line.partition("?")[0]]
        answer = answers.popleft() if len(answers) > 1 else answers[0] if answers else None
        match answer:
            case Document():
                _write(handler, answer)
            case Stream():
                self._stream(handler, answer)
            case Lines(events):
                data = "".join(f"{json.dumps(event)}\n" for event in events).encode()
                _send(handler, 200, "application/x-ndjson", data)
            case Drop():
                handler.close_connection = True
            case None:
                _write(handler, problem(404, "There is nothing", f"{line} has no script."))

    def _stream(self, handler: BaseHTTPRequestHandler, answer: Stream) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        if answer.names_run:
            handler.send_header("Location", f"/runs/{answer.run_id}")
        handler.end_headers()
        _chunk(handler, "retry: 1000\n\n: ping\n\n")
        for event in answer.events:
            number = f"id: {answer.position}{event['seq']}\n" if "seq" in event else ""
            data = json.dumps(event, ensure_ascii=False)
            _chunk(handler, f"event: {event['type']}\n{number}data: {data}\n\n")
        time.sleep(answer.silence_s)
        if answer.ending == "held":
            self._released.wait(WAIT_S)
        if answer.ending == "whole":
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*args)


def _chunk(handler: BaseHTTPRequestHandler, text: str) -> None:
    data = text.encode()
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _write(handler: BaseHTTPRequestHandler, answer: Document) -> None:
    data = b"" if answer.body is None else json.dumps(answer.body).encode()
    headers = {name.replace("_", "-"): value for name, value in answer.headers.items()}
    _send(handler, answer.status, "application/json", data, headers)


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    media_type: str,
    data: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", media_type)
    if status != 204:
        handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
