"""A page that has an AG-UI thread open: it posts its list as AG-UI's client does."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import httpx

from fakes.ag_ui_client import AgUiClient
from fakes.frames import read_frames


def user(message_id: str, content: Any) -> dict[str, Any]:
    """Return a user's message."""
    return {"id": message_id, "role": "user", "content": content}


class Page:
    """One thread, with the list that a page of it has."""

    def __init__(
        self, http: httpx.Client, thread_id: str | None = None, agent: str = "partner"
    ) -> None:
        self.http = http
        self.thread_id = thread_id or uuid4().hex
        self.path = f"/ag-ui/{agent}"
        self.client = AgUiClient()

    def say(self, message_id: str, content: Any, **body: Any) -> "Page":
        """Say something, and hear the answer to its end."""
        self.client.messages.append(user(message_id, content))
        return self.run(**body)

    def run(self, **body: Any) -> "Page":
        """Post the list, and hear the answer to its end."""
        response = self.post(*self.client.messages, **body)
        assert response.status_code == 200, response.text
        self.client.take(read_frames([response.content]))
        return self

    def post(self, *messages: Any, **body: Any) -> httpx.Response:
        return self.http.post(self.path, json=self.input(messages, **body))

    def streaming(self, **body: Any) -> AbstractContextManager[httpx.Response]:
        """Post the list, and have the answer as soon as it begins."""
        sent = self.input(self.client.messages, **body)
        return self.http.stream("POST", self.path, json=sent)

    def input(self, said: Iterable[Any], **body: Any) -> dict[str, Any]:
        ids = {"threadId": self.thread_id, "runId": uuid4().hex}
        return {**ids, "messages": [*said], **body}

    def resume(self, *, approved: Any = True, **payload: Any) -> list[dict[str, Any]]:
        """Return an answer to all that a person was asked."""
        assert self.client.finished
        asked = self.client.finished["outcome"]["interrupts"]
        answer = {"status": "resolved", "payload": {"approved": approved, **payload}}
        return [{"interruptId": each["id"], **answer} for each in asked]

    def load(self) -> "Page":
        """Return a page that is loaded anew."""
        page = Page(self.http, self.thread_id)
        page.path = self.path
        answer = self.http.get(f"{self.path}/threads/{self.thread_id}/messages")
        assert answer.status_code == 200, answer.text
        page.client = AgUiClient(answer.json())
        return page

    def stop(self) -> httpx.Response:
        return self.http.post(f"{self.path}/threads/{self.thread_id}/stop")

    def in_line(self) -> int:
        """Return how many runs wait for the thread."""
        return len(self.http.get(f"/threads/{self.thread_id}").json()["queued"])

    def ids(self) -> list[str]:
        return [each["id"] for each in self.client.messages]

    def runs(self) -> list[str]:
        listed = self.http.get("/runs", params={"thread_id": self.thread_id, "limit": 100}).json()
        return [run["run_id"] for run in listed["items"]]


def read_until(lines: Iterator[str], text: str) -> list[Any]:
    """Return a stream's events up to the one that has a text."""
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if text in line:
            return events_of(seen)
    raise AssertionError(f"the stream ended without {text!r}: {seen[-3:]}")


def events_of(lines: Any) -> list[Any]:
    """Return the events of a stream's lines."""
    return read_frames(["\n".join([*lines, "", ""]).encode()])
