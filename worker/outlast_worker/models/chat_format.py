"""A conversation in OpenAI's chat format; for other providers litellm translates it."""

import json
import mimetypes
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from outlast.conversation import NO_RESULT
from outlast.protocol import Content, FilePart, ImagePart, Message, Part, TextPart
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import PinnedTool, StoredMessage
from outlast_worker.models.sent_back import SentBack, sent_back

WireMessage = dict[str, Any]

_NAME_MAX_CHARS = 64
# Providers refuse them where there is no tool.
_REFUSED_RESULT = "(This result is left out: the model's provider refused it.)"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def wire_tools(tools: Sequence[PinnedTool]) -> list[dict[str, Any]]:
    """Return the agent's tools as the model is told of them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]


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


def wire_messages(
    call: ModelCall, back: SentBack | None = None, *, whole_results: bool = False
) -> list[WireMessage]:
    """Return the instructions and the conversation.

    What a provider refused is left out, and so is what a model said in no words: providers refuse
    an empty message. The result of a call can't be missing; it is replaced.

    Tool calls need ids that are unique within a request. A provider's own ids go back to it, as
    they can carry signatures; empty and repeated ones, and other providers', get new ones.

    Args:
        call: Whose instructions, and for which model.
        back: What goes back of the provider's own; by default what its name says.
        whole_results: Results are sent with images, documents and `is_error`, which OpenAI's format
            has no place for: there they are shown after the results.
    """
    writer = _Writer(provider_of(call.model), back, whole_results=whole_results)
    return [
        {"role": "system", "content": call.pin.instructions},
        *writer.write(call.messages),
    ]


def as_read(message: StoredMessage) -> Message | None:
    """Return a message as models read it, whatever the format; None if they are not sent it."""
    if not _is_sent(message):
        return None
    read = message.public().model_copy(update={"content": message.read})
    if message.role != "tool":
        return read
    said = _REFUSED_RESULT if message.refused else message.read
    if note := _changed(message):
        said = note + said if isinstance(said, str) else [TextPart(text=note), *said]
    return read.model_copy(update={"content": said})


class _Writer:
    def __init__(self, provider: str, back: SentBack | None, *, whole_results: bool) -> None:
        self._provider = provider
        self._sent_back = back or sent_back(provider)
        self._whole_results = whole_results
        self._used: set[str] = set()
        self._open: dict[str, str] = {}
        """The calls of the last answer that have no result yet: their ids, by the run's own."""
        self._shown: list[dict[str, Any]] = []
        """What results hold besides text, where it has no place in a result."""

    def write(self, messages: Sequence[StoredMessage]) -> list[WireMessage]:
        sent: list[WireMessage] = []
        for position, message in enumerate(messages):
            if message.role == "tool":
                sent += self._result(message)
            elif _is_sent(message) or self._goes_back_alone(message):
                sent += self._end_results()
                sent.append(self._message(position, message))
        return [*sent, *self._end_results()]

    def _goes_back_alone(self, message: StoredMessage) -> bool:
        """Tell whether a message without a word holds what its provider goes on from."""
        opaque = message.opaque
        if opaque is None or opaque.provider != self._provider or message.refused:
            return False
        return not self._sent_back.alone.isdisjoint(opaque.fields)

    def _message(self, position: int, message: StoredMessage) -> WireMessage:
        if message.role == "assistant":
            return self._assistant(position, message)
        return {"role": "user", "content": _content(message.read)}

    def _result(self, message: StoredMessage) -> list[WireMessage]:
        """Return a call's result; nothing if the call is not sent, since it was refused."""
        wire_id = self._open.pop(message.call_id or "", None)
        if wire_id is None:
            return []
        result: WireMessage = {"role": "tool", "tool_call_id": wire_id}
        if self._whole_results:
            read = as_read(message)
            said = "" if read is None else _content(read.content)
            return [{**result, "content": said, "is_error": bool(message.is_error)}]
        text = _REFUSED_RESULT if message.refused else self._text_of(message.read)
        return [{**result, "content": _changed(message) + text}]

    def _text_of(self, content: Content) -> str:
        """Return the text of a result; what else it holds is shown after the results."""
        if isinstance(content, str):
            return content
        texts: list[str] = []
        for part in content:
            if isinstance(part, TextPart):
                texts.append(part.text)
            else:
                self._shown.append(_part(part))
                texts.append(f"(The {part.type} {len(self._shown)} below belongs here.)")
        return "\n".join(texts)

    def _end_results(self) -> list[WireMessage]:
        """Close an answer's calls: none may be without a result."""
        closing: list[WireMessage] = [
            {"role": "tool", "tool_call_id": wire_id, "content": NO_RESULT}
            for wire_id in self._open.values()
        ]
        if self._shown:
            closing.append({"role": "user", "content": self._shown})
        self._open, self._shown = {}, []
        return closing

    def _assistant(self, position: int, message: StoredMessage) -> WireMessage:
        opaque = message.opaque
        if opaque and opaque.provider != self._provider:
            opaque = None
        wire: WireMessage = {"role": "assistant", "content": _content(message.read) or None}
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
                self._open[call.call_id] = sent["id"]
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
    if message.role == "assistant" and not (_content(message.read) or message.tool_calls):
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
            return {
                "type": "file",
                "file": {"file_data": part.url, "filename": part.name or _file_name(part.url)},
            }


def _file_name(url: str) -> str:
    """Return a name for a document that has none: OpenAI takes none without."""
    media_type = re.split("[:;,]", url, maxsplit=2)[1] if url.startswith("data:") else ""
    return f"document{mimetypes.guess_extension(media_type) or ''}"
