"""Messages in the protocol's words, and as runs take and have them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from outlast.errors import InvalidRequest
from outlast.protocol import Content, FilePart, ImagePart, InputMessage, Part, TextPart, ToolCall
from outlast_app.facades.call_arguments import read_arguments
from outlast_app.facades.ids import message_id_of
from outlast_app.facades.requests import checked

if TYPE_CHECKING:
    from ag_ui.core import AssistantMessage, ContentPart, Message, ToolMessage, UserMessage


def inputs_of(messages: Sequence["Message"], paths: Mapping[int, str]) -> Iterator[InputMessage]:
    """Return a history that is the client's alone, as a run takes it.

    Args:
        messages: The messages.
        paths: Where each is in the request, by what `id()` says of it.

    Raises:
        InvalidRequest: No model could read it.
    """
    for message in messages:
        at = paths[id(message)]
        match message.role:
            case "user":
                yield input_of(message, at)
            case "assistant" if message.content or message.tool_calls:
                yield _answer_of(message, at)
            case "tool":
                yield _result_of(message, at)
            case _:
                pass  # what instructs is no part of a history, nor is what only pages show


def input_of(message: "UserMessage", at: str) -> InputMessage:
    """Return what a user says as a run takes it.

    Args:
        message: The message.
        at: Its path in the request.

    Raises:
        InvalidRequest: It has parts that no model reads.
    """
    content = content_of(message.content, f"{at}.content")
    return checked(at, InputMessage, id=message_id_of(message.id), role="user", content=content)


def _answer_of(message: "AssistantMessage", at: str) -> InputMessage:
    calls = [
        checked(
            at,
            ToolCall,
            call_id=call.id,
            name=call.function.name,
            arguments=read_arguments(
                call.function.arguments, f"{at}.toolCalls.{index}.function.arguments"
            ),
        )
        for index, call in enumerate(message.tool_calls or ())
    ]
    return checked(
        at,
        InputMessage,
        id=message_id_of(message.id),
        role="assistant",
        content=message.content or "",
        tool_calls=calls or None,
    )


def _result_of(message: "ToolMessage", at: str) -> InputMessage:
    return checked(
        at,
        InputMessage,
        id=message_id_of(message.id),
        role="tool",
        call_id=message.tool_call_id,
        content=output_of(message, at),
        is_error=message.error is not None,
    )


def output_of(message: "ToolMessage", at: str) -> Content:
    """Return what the model reads of a tool's message."""
    content = content_of(message.content, f"{at}.content")
    if not message.error:
        return content
    if isinstance(content, str):
        return f"{content}\n{message.error}".strip()
    return [*content, TextPart(text=message.error)]


def content_of(content: "str | list[ContentPart]", at: str) -> Content:
    """Return a message's content: text alone as a text.

    Raises:
        InvalidRequest: It has parts that no model reads.
    """
    if isinstance(content, str):
        return content
    parts = [_part_of(part, f"{at}.{index}") for index, part in enumerate(content)]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return "".join(texts) if len(texts) == len(parts) else parts


def _part_of(part: "ContentPart", at: str) -> Part:
    if part.type == "text":
        return TextPart(text=part.text)
    source = part.source
    match source.type:
        case "data":
            url = f"data:{source.mime_type};base64,{source.value}"
            return ImagePart(url=url) if part.type == "image" else FilePart(url=url)
        case "url" if part.type == "image":
            return ImagePart(url=source.value)
        case "url" if source.value.startswith("data:"):
            return FilePart(url=source.value)
        case "url":
            raise InvalidRequest.at((at, f"send the {part.type} itself, as a source of type data"))
        case "file":
            wrong = "files of a provider are not read here; send it as a source of type data"
            raise InvalidRequest.at((at, wrong))


def shown_content(content: Content) -> str | list[dict[str, Any]]:
    """Return content in the protocol's words."""
    return content if isinstance(content, str) else [_shown_part(part) for part in content]


def _shown_part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    kind = "image" if isinstance(part, ImagePart) else "document"
    head, is_data, value = part.url.partition(";base64,")
    if is_data and head.startswith("data:"):
        source = {"type": "data", "value": value, "mimeType": head.removeprefix("data:")}
    else:
        source = {"type": "url", "value": part.url}
    return {"type": kind, "source": source}


def shown_arguments(arguments: Mapping[str, Any]) -> str:
    """Return the arguments of a call in the protocol's words: JSON, as a text."""
    return to_json(arguments).decode()


def rename(problem: InvalidRequest, paths: Mapping[str, str]) -> None:
    """Have a problem name fields as the client does."""
    for ours, theirs in paths.items():
        for fault in problem.extra.get("errors", ()):
            if fault["field"] == ours or fault["field"].startswith(f"{ours}."):
                fault["field"] = theirs + fault["field"].removeprefix(ours)
        problem.detail = problem.detail.replace(ours, theirs, 1)
