"""What clients of each protocol do with one run: start it, watch it, decide in it.

A new protocol is one entry of `PROTOCOLS`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from fakes.api import Api
from fakes.ui_message import UiMessage

_RESPONSES, _CHAT = "/v1/responses", "/v1/chat/completions"


@dataclass(frozen=True)
class Begun:
    """A run, as whoever started it knows it.

    Attributes:
        run_id: The run.
        thread_id: The conversation that it is part of, if the protocol has any.
        stream: The answer to the start, where that lasts as long as the run.
    """

    run_id: str
    thread_id: str | None = None
    stream: httpx.Response | None = None

    @property
    def agent(self) -> str:
        """The agent that was asked."""
        return self.run_id.partition(".")[0]

    @property
    def ai_sdk(self) -> str:
        """Where pages of the AI SDK find its chats."""
        return f"/ai-sdk/{self.agent}"

    @property
    def ag_ui(self) -> str:
        """Where AG-UI's clients find it."""
        return f"/ag-ui/{self.agent}"

    def where(self, key: str) -> tuple[str, str]:
        """Return the run that asks, this one or one below it, and the call's name there."""
        below, _, call_id = key.rpartition(":")
        return below or self.run_id, call_id

    def call(self, kind: str, key: str) -> str:
        """Name a call as other protocols do."""
        below, _, call_id = key.rpartition(":")
        named = [self.run_id, *([below] if below else []), call_id.replace(".", "_")]
        return "_".join([kind, *named])

    def read_call(self, name: str) -> str:
        """Return the key of the call that such a name means."""
        *below, turn, index = name.partition(f"{self.run_id}_")[2].rsplit("_", 2)
        return ":".join([*below, f"{turn}.{index}"])


@dataclass(frozen=True)
class Protocol:
    """What its clients can do.

    Attributes:
        start: Says something to an agent, and comes back when there is a run.
        asked: Watches a run to where it waits; returns the keys of calls that somebody has to
            approve: `2.0`, or `{run}:2.0` of a run below.
        watch: Watches an answer that is being written: yields what there is of it whenever that
            has grown, to its end.
        approve: Approves a call, and does not wait for what comes of it.
        has_threads: Whether what it starts is part of a conversation.
        needs_threads: Whether runs are found by their conversation only.
    """

    start: Callable[[Api, str, str], Begun]
    asked: Callable[[Api, Begun], set[str]] | None = None
    watch: Callable[[Api, Begun], Iterator[str]] | None = None
    approve: Callable[[Api, Begun, str], None] | None = None
    has_threads: bool = True
    needs_threads: bool = False

    def watches(self, starter: "Protocol") -> bool:
        """Tell whether runs that another one has started can be watched here."""
        return self.watch is not None and self._finds(starter)

    def decides(self, starter: "Protocol") -> bool:
        """Tell whether runs that another one has started can be decided on here."""
        return self.approve is not None and self._finds(starter)

    def _finds(self, starter: "Protocol") -> bool:
        return starter.has_threads or not self.needs_threads


def _native_start(api: Api, agent: str, text: str) -> Begun:
    thread_id = uuid4().hex
    return Begun(api.start(agent, text, thread_id=thread_id, stream=True), thread_id)


def _native_asked(api: Api, begun: Begun) -> set[str]:
    waiting = api.wait_for_event(begun.run_id, type="run.waiting")
    asked = [(each["run_id"], each["id"]) for each in waiting["approvals"]]
    return {call_id if run == begun.run_id else f"{run}:{call_id}" for run, call_id in asked}


def _native_watch(api: Api, begun: Begun) -> Iterator[str]:
    text = ""
    for event in _read(api, f"/runs/{begun.run_id}/events"):
        match event["type"]:
            case "message.reset":
                text = ""
            case "message.delta":
                text += event["text"]
            case "message.snapshot":
                text = event["text"]
            case "message.completed":
                text = event["message"]["content"]
            case _:
                continue
        if text:
            yield text


def _native_approve(api: Api, begun: Begun, key: str) -> None:
    assert api.decide(*begun.where(key), "approve").status_code == 200


def _responses_start(api: Api, agent: str, text: str) -> Begun:
    made = api.http.post("/v1/conversations", json={}).json()["id"]
    body = {"model": agent, "input": text, "conversation": made, "background": True}
    return Begun(_run_of(api.http.post(_RESPONSES, json=body)), made.removeprefix("conv_"))


def _responses_asked(api: Api, begun: Begun) -> set[str]:
    events = _read(api, f"{_RESPONSES}/resp_{begun.run_id}_1?stream=true")
    items = [*events][-1]["response"]["output"]
    asked = [item["id"] for item in items if item["type"] == "mcp_approval_request"]
    return {begun.read_call(name) for name in asked}


def _responses_watch(api: Api, begun: Begun) -> Iterator[str]:
    text = ""
    for event in _read(api, f"{_RESPONSES}/resp_{begun.run_id}_2?stream=true"):
        if event["type"] == "response.output_text.delta":
            text += event["delta"]
            yield text
        elif event["type"] == "response.completed":
            yield event["response"]["output"][-1]["content"][0]["text"]


def _responses_approve(api: Api, begun: Begun, key: str) -> None:
    decided = {
        "type": "mcp_approval_response",
        "approval_request_id": begun.call("mcpr", key),
        "approve": True,
    }
    body = {
        "model": begun.agent,
        "previous_response_id": f"resp_{begun.run_id}_1",
        "input": [decided],
        "background": True,
    }
    assert _run_of(api.http.post(_RESPONSES, json=body)) == begun.run_id


def _chat_start(api: Api, agent: str, text: str) -> Begun:
    said = [{"role": "user", "content": text}]
    body = {"model": agent, "messages": said, "stream": True}
    stream = api.http.send(api.http.build_request("POST", _CHAT, json=body), stream=True)
    return Begun(_run_of(stream), stream=stream)


def said_by_chat(stream: httpx.Response) -> str:
    """Return what a chat completion says, to its end."""
    deltas = [chunk["choices"][0]["delta"] for chunk in _frames(stream)]
    return "".join(delta.get("content") or "" for delta in deltas)


def _ai_sdk_start(api: Api, agent: str, text: str) -> Begun:
    chat = uuid4().hex
    body = {"id": chat, "messages": [_user(text)]}
    with api.http.stream("POST", f"/ai-sdk/{agent}", json=body) as answer:
        return Begun(_run_of(answer), chat)


def _ai_sdk_asked(api: Api, begun: Begun) -> set[str]:
    message = UiMessage().take(_read(api, f"{begun.ai_sdk}/{begun.thread_id}/stream"))
    asked = [part for part in message.parts if part.get("state") == "approval-requested"]
    return {begun.read_call(part["approval"]) for part in asked}


def _ai_sdk_watch(api: Api, begun: Begun) -> Iterator[str]:
    message = UiMessage()
    for chunk in _read(api, f"{begun.ai_sdk}/{begun.thread_id}/stream"):
        if text := "".join(message.take([chunk]).texts()):
            yield text


def _ai_sdk_approve(api: Api, begun: Begun, key: str) -> None:
    name = begun.call("call", key)
    part = {
        "type": "dynamic-tool",
        "toolName": "transfer",
        "toolCallId": name,
        "state": "approval-responded",
        "input": {"cents": 5},
        "approval": {"id": name, "approved": True},
        "providerExecuted": True,
    }
    answer = {"id": f"msg_{begun.run_id}", "role": "assistant", "parts": [part]}
    body = {"id": begun.thread_id, "messages": [_user("…"), answer]}
    with api.http.stream("POST", begun.ai_sdk, json=body) as told:
        assert _run_of(told) == begun.run_id


def _ag_ui_start(api: Api, agent: str, text: str) -> Begun:
    thread_id = uuid4().hex
    said = [{"id": uuid4().hex, "role": "user", "content": text}]
    with api.http.stream("POST", f"/ag-ui/{agent}", json=_ag_ui_body(thread_id, said)) as answer:
        return Begun(_run_of(answer), thread_id)


def _ag_ui_asked(api: Api, begun: Begun) -> set[str]:
    outcome = [*_ag_ui_told(api, begun)][-1]["outcome"]
    return {begun.read_call(each["id"]) for each in outcome["interrupts"]}


def _ag_ui_watch(api: Api, begun: Begun) -> Iterator[str]:
    text = ""
    for event in _ag_ui_told(api, begun):
        if event["type"] == "TEXT_MESSAGE_CONTENT":
            text += event["delta"]
            yield text


def _ag_ui_approve(api: Api, begun: Begun, key: str) -> None:
    payload = {"approved": True}
    entry = {"interruptId": begun.call("call", key), "status": "resolved", "payload": payload}
    body = _ag_ui_body(begun.thread_id, _ag_ui_messages(api, begun), resume=[entry])
    with api.http.stream("POST", begun.ag_ui, json=body) as told:
        assert _run_of(told) == begun.run_id


def _ag_ui_told(api: Api, begun: Begun) -> Iterator[dict[str, Any]]:
    """Come to a thread again with what it has: nothing is started, and the run is told."""
    body = _ag_ui_body(begun.thread_id, _ag_ui_messages(api, begun))
    with api.http.stream("POST", begun.ag_ui, json=body) as answer:
        assert _run_of(answer) == begun.run_id
        yield from _frames(answer)


def _ag_ui_messages(api: Api, begun: Begun) -> list[dict[str, Any]]:
    return api.http.get(f"{begun.ag_ui}/threads/{begun.thread_id}/messages").json()


def _ag_ui_body(
    thread_id: str | None, messages: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    ids = {"threadId": thread_id, "runId": uuid4().hex}
    return {**ids, "messages": messages, "tools": [], "context": [], **more}


def _user(text: str) -> dict[str, Any]:
    return {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}


def _run_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.read()
    return answer.headers["x-run-id"]


def _read(api: Api, path: str) -> Iterator[dict[str, Any]]:
    with api.http.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.read()
        yield from _frames(answer)


def _frames(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


PROTOCOLS: Mapping[str, Protocol] = {
    "native": Protocol(_native_start, _native_asked, _native_watch, _native_approve),
    "responses": Protocol(_responses_start, _responses_asked, _responses_watch, _responses_approve),
    # A completion is its own request's alone, and none can hold a decision.
    "chat": Protocol(_chat_start, has_threads=False),
    "ai-sdk": Protocol(
        _ai_sdk_start, _ai_sdk_asked, _ai_sdk_watch, _ai_sdk_approve, needs_threads=True
    ),
    "ag-ui": Protocol(
        _ag_ui_start,
        _ag_ui_asked,
        _ag_ui_watch,
        _ag_ui_approve,
        needs_threads=True,
    ),
}
