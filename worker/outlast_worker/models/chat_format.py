"""A conversation in OpenAI's chat format; for other providers litellm translates it."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from outlast.protocol import Content, FilePart, ImagePart, Part, TextPart
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import PinnedTool, StoredMessage
from outlast_worker.models.sent_back import SentBack, sent_back

WireMessage = dict[str, Any]

_TOLD = {"name", "description", "parameters"}
_NAME_MAX_CHARS = 64
# Providers refuse them where there is no tool.
_REFUSED_RESULT = "(This result is left out: the model's provider refused it.)"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def wire_tools(tools: Sequence[PinnedTool]) -> list[dict[str, Any]]:
    """Return the agent's tools as the model is told of them."""
    return [{"type": "function", "function": tool.model_dump(include=_TOLD)} for tool in tools]


def wire_settings(call: ModelCall) -> dict[str, Any]:
    """Return how the model is asked; what concerns tools only if there are any."""
    settings = call.settings
    said: dict[str, Any] = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_output_tokens,
        "reasoning_effort": settings.reasoning_effort,
        "stop": settings.stop,
        "seed": settings.seed,
    }
    if call.pin.tools:
        said["tool_choice"] = _tool_choice(settings.tool_choice)
        said["parallel_tool_calls"] = settings.parallel_tool_calls
    return {name: value for name, value in said.items() if value is not None}


def wire_messages(call: ModelCall, back: SentBack | None = None) -> list[WireMessage]:
    """Return the instructions and the conversation.

    What a provider refused is left out, and so is what a model said in no words: providers refuse
    an empty message. The result of a call can't be missing; it is replaced.

    Tool calls need ids that are unique within a request. A provider's own ids go back to it, as
    they can carry signatures; empty and repeated ones, and other providers', get new ones.

    Args:
        call: Whose instructions, and for which model.
        back: What goes back of the provider's own; by default what its name says.
    """
    return [
        {"role": "system", "content": call.pin.instructions},
        *_Writer(provider_of(call.model), back).write(call.messages),
    ]


class _Writer:
    def __init__(self, provider: str, back: SentBack | None) -> None:
        self._provider = provider
        self._sent_back = back or sent_back(provider)
        self._used: set[str] = set()
        self._ids: dict[tuple[str, str], str] = {}

    def write(self, messages: Sequence[StoredMessage]) -> list[WireMessage]:
        return [
            self._message(position, message)
            for position, message in enumerate(messages)
            if _is_sent(message)
        ]

    def _message(self, position: int, message: StoredMessage) -> WireMessage:
        if message.role == "tool":
            wire_id = self._ids[message.run_id, message.call_id or ""]
            result = _REFUSED_RESULT if message.refused else message.told or str(message.content)
            content = _changed(message) + result
            return {"role": "tool", "tool_call_id": wire_id, "content": content}
        if message.role == "assistant":
            return self._assistant(position, message)
        return {"role": "user", "content": _content(message.content)}

    def _assistant(self, position: int, message: StoredMessage) -> WireMessage:
        opaque = message.opaque
        if opaque and opaque.provider != self._provider:
            opaque = None
        wire: WireMessage = {"role": "assistant", "content": _content(message.content) or None}
        if message.tool_calls:
            calls: list[dict[str, Any]] = [
                {
                    "id": self._new_id(position, index, opaque.call_ids[index] if opaque else None),
                    "type": "function",
                    "function": {"name": _name(call.name), "arguments": json.dumps(call.arguments)},
                    **_only(self._sent_back.call, opaque.call_fields[index] if opaque else {}),
                }
                for index, call in enumerate(message.tool_calls)
            ]
            for call, sent in zip(message.tool_calls, calls, strict=True):
                self._ids[message.run_id, call.call_id] = sent["id"]
            wire["tool_calls"] = calls
        return {**wire, **_only(self._sent_back.message, opaque.fields if opaque else {})}

    def _new_id(self, position: int, index: int, given: str | None) -> str:
        # Nine letters and digits: the one form that every known provider accepts.
        wire_id = given if given and given not in self._used else f"c{position:05d}{index:03d}"
        self._used.add(wire_id)
        return wire_id


def _tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    if choice in (None, "auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _only(names: Collection[str], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in names}


def _is_sent(message: StoredMessage) -> bool:
    if message.role == "tool":
        return True
    if message.role == "assistant" and not (_content(message.content) or message.tool_calls):
        return False
    return message.refused is None


def _changed(message: StoredMessage) -> str:
    """Tell the model of arguments that a person put in place of its own."""
    if message.approval is None or message.approval.arguments is None:
        return ""
    arguments = json.dumps(message.approval.arguments)
    return f"(A person changed the arguments of this call to {arguments}.)\n"


def _name(name: str) -> str:
    """Return a name that providers take: a model may have asked for a tool that can't exist."""
    return _NOT_IN_NAMES.sub("_", name)[:_NAME_MAX_CHARS] or "_"


def _content(content: Content) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.url}}
        case FilePart():
            name = {"filename": part.name} if part.name else {}
            return {"type": "file", "file": {"file_data": part.url, **name}}
