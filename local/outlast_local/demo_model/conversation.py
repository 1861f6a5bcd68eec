"""A chat-completions request as the demo model reads it: the last question, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from outlast_local.demo_model.openai_wire import ToolCall, content_text, parse_object

Json = Mapping[str, Any]


@dataclass(frozen=True)
class MadeCall:
    """A call that the model asked for since the question, with what came back."""

    tool: str
    arguments: Json
    result: str

    @property
    def value(self) -> Json | None:
        """The result, if it is a JSON object."""
        return parse_object(self.result)


@dataclass(frozen=True)
class Turn:
    """What the model has to answer.

    Attributes:
        question: The last message of the user.
        earlier: How many messages of both sides came before it.
        tools: The tools that may be called, each with its description and parameters.
        forced: The tool that must be called; empty: any of them; None: none need be.
        made: The calls since the question that have a result.
        length: The number of messages.
        shape: The JSON Schema that the answer has to fit, if there is one.
    """

    question: str
    earlier: int
    tools: Mapping[str, Json]
    forced: str | None
    made: tuple[MadeCall, ...]
    length: int
    shape: Json | None = None

    def calls(self, calls: Iterable[tuple[str, Json]]) -> tuple[ToolCall, ...]:
        """Give calls ids that no other turn has."""
        return tuple(
            ToolCall(f"call_{self.length}_{index}", name, json.dumps(dict(arguments)))
            for index, (name, arguments) in enumerate(calls)
        )


def read(request: Json) -> Turn:
    """Read a request whose `messages` are a list."""
    messages: Sequence[Json] = request["messages"]
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    start = users[-1] if users else -1
    choice: Any = request.get("tool_choice")
    tools = {} if choice == "none" else _tools(request.get("tools") or ())
    return Turn(
        question=content_text(messages[start]) if users else "",
        earlier=sum(_is_said(message) for message in messages[: max(start, 0)]),
        tools=tools,
        forced=_forced(choice) if tools else None,
        made=tuple(_made(messages[start + 1 :])),
        length=len(messages),
        shape=_shape(request.get("response_format")),
    )


def _shape(wanted: Any) -> Json | None:
    if not isinstance(wanted, dict):
        return None
    described: Json = cast("Json", wanted).get("json_schema") or {}
    return described.get("schema")


def _tools(given: Iterable[Json]) -> dict[str, Json]:
    return {tool["function"]["name"]: tool["function"] for tool in given if "function" in tool}


def _forced(choice: Any) -> str | None:
    if isinstance(choice, dict):
        function: Json = cast("Json", choice).get("function") or {}
        return str(function.get("name", ""))
    return "" if choice == "required" else None


def _made(messages: Sequence[Json]) -> Iterable[MadeCall]:
    """Pair each tool result with its call, by the call's id."""
    asked: dict[str, tuple[str, Json]] = {}
    for message in messages:
        calls: Iterable[Json] = message.get("tool_calls") or ()
        for call in calls:
            function = call["function"]
            asked[call["id"]] = (function["name"], parse_object(function["arguments"]) or {})
        if message.get("role") == "tool" and (known := asked.get(message.get("tool_call_id", ""))):
            yield MadeCall(*known, content_text(message))


def _is_said(message: Json) -> bool:
    role = message.get("role")
    return role == "user" or (role == "assistant" and bool(content_text(message)))
