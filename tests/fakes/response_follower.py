"""A client that streams a response as OpenAI's API has it: it goes on after the last number."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

import httpx

from fakes.waiting import wait_until

_RETRY_S = 0.05
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class ResponseFollower:
    """Makes a response in a thread, and follows it over any number of connections."""

    def __init__(self, url: str, body: Mapping[str, Any]) -> None:
        self._url = f"{url}/v1/responses"
        self._body = {**body, "stream": True}
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._stopped = False
        self.events: list[dict[str, Any]] = []
        self.connections = 0
        self.parts: dict[tuple[int, int], str] = {}
        """The text of each part of each item, from deltas alone."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped = True
        self._thread.join(10)

    @property
    def response_id(self) -> str:
        """The response's id, once it is known."""
        return wait_until(lambda: self.events, "a response")[0]["response"]["id"]

    @property
    def text(self) -> str:
        """What the client shows: the last part."""
        return self.parts[max(self.parts)] if self.parts else ""

    def wait_for_text(self, text: str) -> None:
        wait_until(lambda: self.text == text, f"the text {text!r}")

    def wait_for_end(self) -> dict[str, Any]:
        wait_until(lambda: self.events and self.events[-1]["type"] in _ENDS, "the end")
        return self.events[-1]["response"]

    def _follow(self) -> None:
        while not self._stopped:
            self.connections += 1
            try:
                self._read()
            except httpx.TransportError:
                time.sleep(_RETRY_S)
            if self.events and self.events[-1]["type"] in _ENDS:
                return

    def _read(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client, self._open(client) as stream:
            if stream.status_code != 200:
                time.sleep(_RETRY_S)
                return
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    self._take(json.loads(line.removeprefix("data: ")))
                if self._stopped:
                    return

    def _open(self, client: httpx.Client) -> Any:
        if not self.events:
            return client.stream("POST", self._url, json=self._body)
        after = {"stream": "true", "starting_after": self.events[-1]["sequence_number"]}
        return client.stream("GET", f"{self._url}/{self.response_id}", params=after)

    def _take(self, event: dict[str, Any]) -> None:
        last = self.events[-1]["sequence_number"] if self.events else -1
        assert event["sequence_number"] > last, (event, self.events)
        place = event.get("output_index", 0), event.get("content_index", 0)
        if event["type"] == "response.content_part.added":
            self.parts[place] = ""
        elif event["type"] == "response.output_text.delta":
            self.parts[place] += event["delta"]
        self.events.append(event)
