"""The list of messages that an AG-UI client keeps, as its reducer builds it of events."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from ag_ui.core import Event
from pydantic import TypeAdapter

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class AgUiClient:
    """Takes events, and is strict where the client is: what is open must end, and only that."""

    def __init__(self, messages: Iterable[dict[str, Any]] = ()) -> None:
        self.messages = deepcopy([*messages])
        self.steps: list[str] = []
        self.finished: dict[str, Any] | None = None
        self.custom: dict[str, list[Any]] = {}
        self._open: dict[str, set[str]] = {}
        self._step: str | None = None

    def take(self, events: Iterable[dict[str, Any]]) -> "AgUiClient":
        """Take the events of one run of theirs."""
        self.finished, self._open, self._step = None, {}, None
        for number, event in enumerate(events):
            assert self.finished is None, f"after the end: {event}"
            assert (event["type"] == "RUN_STARTED") == (number == 0)
            self._take(event)
        return self

    def texts(self) -> list[str]:
        """Return what assistants have said."""
        said = [m.get("content") for m in self.messages if m["role"] == "assistant"]
        return [text for text in said if text]

    def message(self, message_id: str) -> dict[str, Any]:
        return next(each for each in self.messages if each["id"] == message_id)

    def call(self, call_id: str) -> dict[str, Any]:
        calls = [call for each in self.messages for call in each.get("toolCalls", ())]
        [found] = [call for call in calls if call["id"] == call_id]
        return found["function"]

    def results(self) -> dict[str, Any]:
        return {m["toolCallId"]: m["content"] for m in self.messages if m["role"] == "tool"}

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"].split("_"):
            case ["RUN", "STARTED"]:
                pass
            case ["RUN", "FINISHED"]:
                assert not any(self._open.values()), self._open
                assert self._step is None
                self.finished = event
            case ["RUN", "ERROR"]:
                self.finished = event
                self._open, self._step = {}, None
            case ["STEP", "STARTED"]:
                assert self._step is None
                self._step = event["stepName"]
                self.steps.append(event["stepName"])
            case ["STEP", "FINISHED"]:
                assert self._step == event["stepName"]
                self._step = None
            case ["MESSAGES", "SNAPSHOT"]:
                self._replace(event["messages"])
            case ["CUSTOM"]:
                self.custom.setdefault(event["name"], []).append(event["value"])
            case ["TOOL", "CALL", *how]:
                self._take_call(how[0], event)
            case ["TEXT", "MESSAGE", how]:
                self._take_text("assistant", how, event)
            case ["REASONING", "MESSAGE", how]:
                self._take_text("reasoning", how, event)
            case ["REASONING", how]:
                self._mark("span", how, event["messageId"])
            case _:
                raise ValueError(f"no such event: {event}")

    def _mark(self, kind: str, how: str, name: str) -> None:
        opened = self._open.setdefault(kind, set())
        assert (how == "START") == (name not in opened), (kind, how, name)
        if how == "START":
            opened.add(name)
        elif how == "END":
            opened.remove(name)

    def _take_text(self, role: str, how: str, event: dict[str, Any]) -> None:
        self._mark(role, how, event["messageId"])
        if how == "START" and not any(m["id"] == event["messageId"] for m in self.messages):
            self.messages.append({"id": event["messageId"], "role": role, "content": ""})
        elif how == "CONTENT":
            message = self.message(event["messageId"])
            message["content"] = (message.get("content") or "") + event["delta"]

    def _take_call(self, how: str, event: dict[str, Any]) -> None:
        name = event["toolCallId"]
        if how == "RESULT":
            message = {"id": event["messageId"], "role": "tool", "toolCallId": name}
            assert not any(each["id"] == message["id"] for each in self.messages)
            self.messages.append({**message, "content": event["content"]})
            return
        self._mark("call", how, name)
        if how == "START":
            parent = event["parentMessageId"]
            if not any(each["id"] == parent for each in self.messages):
                self.messages.append({"id": parent, "role": "assistant"})
            calls = self.message(parent).setdefault("toolCalls", [])
            assert not any(each["id"] == name for each in calls)
            function = {"name": event["toolCallName"], "arguments": ""}
            calls.append({"id": name, "type": "function", "function": function})
        elif how == "ARGS":
            self.call(name)["arguments"] += event["delta"]

    def _replace(self, messages: list[dict[str, Any]]) -> None:
        given = {each["id"]: {**each} for each in messages}
        has_reasoning = any(each["role"] == "reasoning" for each in messages)
        kept = [
            given.pop(each["id"], each)
            for each in self.messages
            if each["id"] in given or (each["role"] == "reasoning" and not has_reasoning)
        ]
        self.messages = [*kept, *given.values()]


def check_event(event: dict[str, Any]) -> None:
    """Check an event against the protocol's own model: it has all fields, and no other."""
    read = _EVENT.validate_python(event)
    assert not read.model_extra, read.model_extra
    outcome = getattr(read, "outcome", None)
    assert not (outcome and outcome.model_extra)
    for interrupt in getattr(outcome, "interrupts", None) or ():
        assert not interrupt.model_extra
    for message in getattr(read, "messages", None) or ():
        assert not message.model_extra
