"""A page that has a chat open: it posts its messages as the AI SDK's transport does."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import httpx

from fakes.frames import read_frames
from fakes.ui_message import UiMessage

AGENT = "partner"


def user(message_id: str, *parts: Any) -> dict[str, Any]:
    """Return a user's message, of texts and other parts."""
    shown = [{"type": "text", "text": each} if isinstance(each, str) else each for each in parts]
    return {"id": message_id, "role": "user", "parts": shown}


class Chat:
    """One chat, as any of its pages sees it."""

    def __init__(self, http: httpx.Client, chat_id: str | None = None, agent: str = AGENT) -> None:
        self.http = http
        self.chat_id = chat_id or uuid4().hex
        self.path = f"/ai-sdk/{agent}"

    def post(self, *messages: dict[str, Any], **body: Any) -> httpx.Response:
        """Send the whole list."""
        return self.send({"messages": list(messages), **body})

    def post_last(self, message: dict[str, Any], **body: Any) -> httpx.Response:
        """Send the last message alone."""
        return self.send({"message": message, **body})

    def send(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
        return self.http.post(self.path, json={"id": self.chat_id, **body}, headers=headers)

    def get(self, what: str) -> httpx.Response:
        return self.http.get(f"{self.path}/{self.chat_id}/{what}")

    def send_to(self, what: str) -> httpx.Response:
        return self.http.post(f"{self.path}/{self.chat_id}/{what}")

    def sending(
        self, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AbstractContextManager[httpx.Response]:
        """Send, and have the answer as soon as it begins."""
        said = {"id": self.chat_id, **body}
        return self.http.stream("POST", self.path, json=said, headers=headers)

    def resuming(self) -> AbstractContextManager[httpx.Response]:
        """Go on with the answer that is being given, as soon as that begins."""
        return self.http.stream("GET", f"{self.path}/{self.chat_id}/stream")

    def messages(self) -> list[dict[str, Any]]:
        """Return what a page is loaded with."""
        answer = self.get("messages")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def said(self) -> list[str]:
        """Return the texts that a page is loaded with."""
        return [text_of(message) for message in self.messages()]

    def runs(self) -> list[str]:
        listed = self.http.get("/runs", params={"thread_id": self.chat_id, "limit": 100}).json()
        return [run["run_id"] for run in listed["items"]]


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def answer_of(response: httpx.Response) -> UiMessage:
    """Return the message that a stream builds, to its end."""
    assert response.status_code == 200, response.text
    chunks = read_frames([response.content])
    assert chunks[-1] == "[DONE]", chunks[-3:]
    return UiMessage().take(chunks)


def run_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.headers["x-run-id"]


def tool_of(message: UiMessage) -> dict[str, Any]:
    """Return the part of a message's first call."""
    return next(part for part in message.parts if part.get("toolCallId"))


def shown(message: UiMessage) -> dict[str, Any]:
    """Return a message as a page's list has it."""
    return {"id": message.message_id, "role": "assistant", "parts": message.parts}


def decide(message: UiMessage, name: str, *, approved: bool = True) -> dict[str, Any]:
    """Decide on a message's first call, a tool's of the agent; return it as the list has it."""
    part = tool_of(message)
    part |= {"type": "dynamic-tool", "toolName": name, "state": "approval-responded"}
    part["approval"] = {"id": part["toolCallId"], "approved": approved}
    return shown(message)


def read_until(lines: Iterator[str], text: str) -> list[str]:
    """Read a stream's lines up to the one that has a text."""
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError(f"the stream ended without {text!r}: {seen[-3:]}")
