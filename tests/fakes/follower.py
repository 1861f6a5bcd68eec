"""A client that follows a run as the documentation says: it reconnects, and folds what it reads."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import httpx

from fakes.waiting import wait_until

_ENDS = ("run.completed", "run.incomplete", "run.failed", "run.cancelled")
_RETRY_S = 0.05


class Follower:
    """Follows one run in a thread, over any number of connections."""

    def __init__(self, urls: Sequence[str], run_id: str) -> None:
        self._urls = urls
        self._run_id = run_id
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._stopped = False
        self.events: list[dict[str, Any]] = []
        """All events, in the order in which they came; `at` is when, on the monotonic clock."""
        self.connections = 0
        self._completed: set[int] = set()
        self.text: dict[int, str] = {}
        """What the client shows of each turn."""
        self.texts: list[str] = []
        """Each text that was ever shown."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped = True
        self._thread.join(10)

    @property
    def committed(self) -> list[dict[str, Any]]:
        return [event for event in self.events if "seq" in event]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in kinds]

    def wait(self, reached: Callable[[], Any], what: str) -> Any:
        return wait_until(reached, what)

    def wait_for_text(self, turn: int, text: str) -> None:
        self.wait(lambda: self.text.get(turn) == text, f"the text {text!r} of turn {turn}")

    def wait_for_end(self) -> dict[str, Any]:
        self.wait(lambda: self.of(*_ENDS), "the end of the run")
        return self.events[-1]["run"]

    def _follow(self) -> None:
        while not self._stopped:
            url = self._urls[self.connections % len(self._urls)]
            self.connections += 1
            try:
                self._read(url)
            except httpx.TransportError:
                time.sleep(_RETRY_S)  # as the stream's own `retry:` would have it, only sooner
            if self.of(*_ENDS):
                return

    def _read(self, url: str) -> None:
        last = self.committed[-1]["seq"] if self.committed else 0
        headers = {"Last-Event-ID": str(last)} if last else {}
        path = f"{url}/runs/{self._run_id}/events"
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("GET", path, headers=headers) as stream,
        ):
            if stream.status_code != 200:
                time.sleep(_RETRY_S)
                return
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    self._take({**json.loads(line.removeprefix("data: ")), "at": time.monotonic()})
                if self._stopped:
                    return

    def _take(self, event: Mapping[str, Any]) -> None:
        self.events.append(dict(event))
        turn = event.get("turn", 0)
        match event["type"]:
            case "message.reset":
                self.text[turn] = ""
            case "message.snapshot":
                self.text[turn] = event["text"]
            case "message.delta":
                self.text[turn] = self.text.get(turn, "") + event["text"]
            case "message.completed":
                self.text[turn] = event["message"]["content"]
                self._completed.add(turn)
            case kind if kind in _ENDS:
                self.text = {turn: self.text[turn] for turn in self._completed}
                return
            case _:
                return
        self.texts.append(self.text[turn])


def assert_exact(follower: Follower, run: Mapping[str, Any]) -> None:
    """Committed events came once and in order, and what is shown is what the run says."""
    assert [e["seq"] for e in follower.committed] == list(range(1, len(follower.committed) + 1))
    said = [m["content"] for m in run["messages"] or [] if m["role"] == "assistant"]
    shown = [follower.text[turn] for turn in sorted(follower.text)]
    assert shown == said, follower.events
    attempts: dict[int, int] = {}
    for event in follower.events:
        if "attempt" in event:
            assert event["attempt"] >= attempts.get(event["turn"], 0)
            attempts[event["turn"]] = event["attempt"]
