"""A model server that follows a script, in the wire format of the providers.

It is a real HTTP server on loopback, so the worker's own model client runs against it, from this
process or another one. It runs in a thread with its own event loop; everything public here is
synchronous and may be called from any thread. In an async test that itself makes the request,
wait with `await asyncio.to_thread(server.wait_for, key)`.

A script is found by its key, a text that is unique to the test, contained in the *last* user
message. The turn is the number of assistant messages after that message, plus one: a request that
is repeated after a crash gets the same answer again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from aiohttp import web

from fakes.player import play
from fakes.script import WAIT_S, Attempts, Single, Step, fault, fixture
from outlast_local.demo_model import openai_wire

# Above these, the kernel hands ports out to clients, and a restart could find its port taken.
_PORTS = range(20_000, 32_000)
_PATHS = ("/chat/completions", "/messages")
_MAX_REQUEST_BYTES = 256 * 1024 * 1024

Outcome = Literal["open", "answered", "aborted"]


@dataclass(frozen=True)
class Request:
    """One request that the server received, as it stood when it was asked for.

    `outcome` is `aborted` when the client went away before the answer had ended. `turn` and
    `attempt` count from 1; times are of `time.monotonic`.
    """

    key: str | None
    turn: int
    attempt: int
    path: str
    headers: Mapping[str, str]
    body: Any
    started_s: float
    ended_s: float | None = None
    outcome: Outcome = "open"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of a chat request."""
        return self.body["messages"]

    @property
    def streamed(self) -> bool:
        """Whether the request asked for a stream."""
        return isinstance(self.body, dict) and bool(self.body.get("stream"))


class ScriptedModel:
    """The server; `start` it once per session and give each test a key of its own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._scripts: dict[str, tuple[Step, ...]] = {}
        self._plays: dict[str, Step] = {}
        self._records: dict[int, Request] = {}
        self._serial = itertools.count()
        self._ready: Future[int] = Future()
        self._stopping: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-model", daemon=True)
        self.port = 0

    @classmethod
    def start(cls) -> Self:
        """Start a server on a free port of loopback."""
        server = cls()
        server._thread.start()
        server.port = server._ready.result(WAIT_S)
        return server

    def stop(self) -> None:
        """End open answers and the server; safe to repeat."""
        if self._stopping is not None and self._thread.is_alive():
            loop, event = self._stopping
            with suppress(RuntimeError):  # the loop was closed between the two lines
                loop.call_soon_threadsafe(event.set)
        self._thread.join(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def origin(self) -> str:
        """Where the server is, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL of OpenAI's and Anthropic's clients."""
        return f"{self.origin}/v1"

    # What the tests say.

    def script(self, key: str, steps: Sequence[Step]) -> str:
        """Answer the turns of conversations whose last user message contains `key`.

        Returns:
            The key.

        Raises:
            ValueError: The key is taken.
        """
        with self._changed:
            if key in self._scripts:
                raise ValueError(f"the key {key!r} has a script already")
            self._scripts[key] = tuple(steps)
        return key

    @contextmanager
    def scripted(self, key: str, steps: Sequence[Step]) -> Generator[str]:
        """Do the same for the length of a `with` block."""
        yield self.script(key, steps)
        self.forget(key)

    def play(self, path_prefix: str, answer: Step | Mapping[str, Any]) -> str:
        """Give every request whose path begins so this answer, whatever its body is.

        Args:
            path_prefix: E.g. `/v1/messages`, or a prefix of the test's own.
            answer: A step, or an entry of `tests/fixtures/provider-errors.json`.

        Returns:
            The prefix, which is the key of the requests.
        """
        step = fixture(answer) if isinstance(answer, Mapping) else answer
        with self._changed:
            self._plays[path_prefix] = step
        return path_prefix

    def forget(self, key: str) -> None:
        """Remove a script or a play, and its requests."""
        with self._changed:
            self._scripts.pop(key, None)
            self._plays.pop(key, None)
            self._records = {n: made for n, made in self._records.items() if made.key != key}

    # What the tests ask.

    def requests(self, key: str, turn: int | None = None) -> list[Request]:
        """Return the requests of a key so far, in order of arrival."""
        with self._changed:
            return self._matching(key, turn, None)

    def count(self, key: str, turn: int | None = None) -> int:
        """Count the requests of a key, or of one of its turns."""
        return len(self.requests(key, turn))

    @property
    def unscripted(self) -> list[Request]:
        """Requests that no script and no play answers."""
        with self._changed:
            return [record for record in self._records.values() if record.key is None]

    def wait_for(
        self,
        key: str,
        turn: int = 1,
        count: int = 1,
        *,
        outcome: Outcome | None = None,
        timeout_s: float = WAIT_S,
    ) -> Request:
        """Wait until a turn was requested so often, and perhaps ended so.

        Returns:
            The last of these requests.

        Raises:
            TimeoutError: With what the server saw instead.
        """

        def arrived() -> bool:
            return len(self._matching(key, turn, outcome)) >= count

        with self._changed:
            if not self._changed.wait_for(arrived, timeout_s):
                wanted = f"turn {turn} of {key!r} (count: {count}, outcome: {outcome or 'any'})"
                raise TimeoutError(f"no {wanted} in {timeout_s} s; {self._seen()}")
            return self._matching(key, turn, outcome)[count - 1]

    def _matching(
        self, key: str | None, turn: int | None, outcome: Outcome | None
    ) -> list[Request]:
        return [
            record
            for record in self._records.values()
            if record.key == key
            and turn in (None, record.turn)
            and outcome in (None, record.outcome)
        ]

    def _seen(self) -> str:
        last = list(self._records.values())[-10:]
        seen = [(record.key, record.turn, record.outcome) for record in last]
        return f"the last requests were {seen}"

    # The server itself, in its thread.

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Cancellation is how a handler learns that its client has gone.
        runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await runner.setup()
        listener = _listen()
        await web.SockSite(runner, listener).start()
        stop = asyncio.Event()
        self._stopping = (asyncio.get_running_loop(), stop)
        self._ready.set_result(listener.getsockname()[1])
        await stop.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = _parse(await request.read())
        number, step = self._receive(request, body)
        outcome: Outcome = "aborted"
        try:
            response = await play(step, request, body)
            outcome = "answered"
        finally:
            self._end(number, outcome)
        return response

    def _receive(self, request: web.Request, body: Any) -> tuple[int, Single]:
        """Record a request; return the record's number and the answer."""
        with self._changed:
            key, turn, step = self._find(request.path, body)
            attempt = len(self._matching(key, turn, None)) + 1
            number = next(self._serial)
            self._records[number] = Request(
                key, turn, attempt, request.path, request.headers.copy(), body, time.monotonic()
            )
            self._changed.notify_all()
        return number, step.at(attempt) if isinstance(step, Attempts) else step

    def _end(self, number: int, outcome: Outcome) -> None:
        with self._changed:
            if number in self._records:  # else its key was forgotten meanwhile
                self._records[number] = replace(
                    self._records[number], outcome=outcome, ended_s=time.monotonic()
                )
            self._changed.notify_all()

    def _find(self, path: str, body: Any) -> tuple[str | None, int, Step]:
        """Return key, turn and answer of a request."""
        prefixes = [prefix for prefix in self._plays if path.startswith(prefix)]
        if prefixes:
            prefix = max(prefixes, key=len)
            return prefix, 1, self._plays[prefix]
        question, turn = last_turn(body)
        keys = [key for key in self._scripts if key in question]
        if not path.endswith(_PATHS) or not keys:
            return None, turn, self._unknown(f"Nothing answers {path} with {question!r}")
        key = max(keys, key=len)
        steps = self._scripts[key]
        if turn > len(steps):
            return None, turn, self._unknown(f"{key!r} has no turn {turn}, only {len(steps)}")
        return key, turn, steps[turn - 1]

    def _unknown(self, problem: str) -> Step:
        known = sorted([*self._scripts, *self._plays])
        return fault(400, openai_wire.error(f"{problem}. Known keys: {known}", type_="unscripted"))


def last_turn(body: Any) -> tuple[str, int]:
    """Return the last message of a request's user, and the number of the turn it asks for."""
    answers = 0
    for message in reversed(body.get("messages", []) if isinstance(body, dict) else []):
        if message["role"] == "user" and not _is_added(message):
            return openai_wire.content_text(message), answers + 1
        answers += message["role"] == "assistant"
    return "", answers + 1


def _is_added(message: Any) -> bool:
    """Tell whether a user's message is the run's own: what is wrong with an answer, or an image."""
    said = openai_wire.content_text(message)
    return not said.strip() or said.startswith("Your answer is not what it has to be")


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _listen() -> socket.socket:
    """Bind a free port below the ephemeral ones."""
    for port in random.sample(_PORTS, k=100):
        listener = socket.socket()
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
        else:
            return listener
    raise OSError(f"no free port in {_PORTS}")
