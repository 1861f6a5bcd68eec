"""What is said: by callers, by the model, by tools."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from outlast.protocol.approvals import Resolution
from outlast.protocol.wire import Public, Time


def _data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(data).decode()}"


class TextPart(Public):
    """A part of a message that is text."""

    type: Literal["text"] = "text"
    text: str
    """The text itself."""


class ImagePart(Public):
    """A part of a message that is an image."""

    type: Literal["image"] = "image"
    url: str
    """Where it is (`https:`, `http:`, for Google's models `gs:`), or the image itself as
    `data:image/…`."""

    @classmethod
    def of(cls, data: bytes, media_type: str = "image/png") -> Self:
        """Make the part of an image's bytes."""
        return cls(url=_data_url(data, media_type))


class FilePart(Public):
    """A part of a message that is a document."""

    type: Literal["file"] = "file"
    url: str
    """The document itself, as a `data:` URL."""
    name: str | None = None
    """What the model is told that the file is called."""

    @classmethod
    def of(cls, data: bytes, media_type: str, name: str | None = None) -> Self:
        """Make the part of a document's bytes."""
        return cls(url=_data_url(data, media_type), name=name)


Part = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]
Content = str | list[Part]


class ToolCall(Public):
    """A call that the model asked for."""

    call_id: str
    """Of a run's own calls `{turn}.{index}`, such as `2.0`. Never the provider's id: those repeat,
    and can be empty."""
    name: str
    """The tool."""
    arguments: dict[str, JsonValue]
    """What the model passes."""


class InputMessage(Public):
    """A message as the caller sends it."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")] | None = None
    """Names the message within its run; made up if it is left out."""
    role: Literal["user", "assistant", "tool"]
    """Who says it: `tool` is the result of a call that an `assistant`'s message before it has. The
    last message is a `user`'s or a `tool`'s."""
    content: Content
    """Text, or parts that may be images and documents. Only of a message with `tool_calls`, and of
    a result, it may be empty."""
    tool_calls: Annotated[list[ToolCall], Field(min_length=1, max_length=1000)] | None = None
    """Of an `assistant`'s message: the calls that it asks for. One of them without a result gets
    one that says so."""
    call_id: str | None = None
    """Of a `tool`'s message: the call whose result this is."""
    is_error: bool | None = Field(default=None, strict=True)
    """Of a `tool`'s message: whether the call failed."""


MAX_MESSAGES = 1000
"""Of one input, and parts of one message."""


def _check_messages(value: str | list[InputMessage]) -> str | list[InputMessage]:
    if isinstance(value, str):
        return value
    if value[-1].role == "assistant":
        raise ValueError("the last message must have the role user or tool")
    return check_conversation(value)


def check_conversation(messages: list[InputMessage]) -> list[InputMessage]:
    """Refuse messages of which nobody can make a conversation.

    Raises:
        ValueError: With the reason.
    """
    if any(
        len(message.content) > MAX_MESSAGES
        for message in messages
        if not isinstance(message.content, str)
    ):
        raise ValueError(f"a message has more than {MAX_MESSAGES} parts")
    ids = [message.id for message in messages if message.id]
    if len(set(ids)) < len(ids):
        raise ValueError("two messages have one id")
    for message in messages:
        _check_role(message)
    results_by_call(messages)
    return messages


def _check_role(message: InputMessage) -> None:
    if message.tool_calls and message.role != "assistant":
        raise ValueError("tool_calls are an assistant's")
    if (message.call_id is not None) != (message.role == "tool"):
        raise ValueError("a tool's message has the call_id of its call, and no other has one")
    if message.is_error is not None and message.role != "tool":
        raise ValueError("is_error is a tool's")


def results_by_call(messages: Sequence[InputMessage]) -> dict[tuple[int, str], InputMessage]:
    """Return the result of each call that has one, by the call's message and its own id.

    Ids are as free as clients are: the same one may come again in a later message, and is then
    another call.

    Raises:
        ValueError: A result has no call, or a call two results; or two calls of a message one id.
    """
    asked_in: dict[str, int] = {}
    results: dict[tuple[int, str], InputMessage] = {}
    for position, message in enumerate(messages):
        calls = [call.call_id for call in message.tool_calls or ()]
        if len(set(calls)) < len(calls) or "" in calls:
            raise ValueError(f"message {position}: each tool call needs a call_id of its own")
        asked_in |= dict.fromkeys(calls, position)
        if message.call_id is None:
            continue
        if message.call_id not in asked_in:
            raise ValueError(f"message {position}: no call {message.call_id!r} comes before it")
        call = asked_in[message.call_id], message.call_id
        if call in results:
            raise ValueError(f"message {position}: the call {message.call_id!r} has a result")
        results[call] = message
    return results


# Here and not in the message: an order that was accepted before there was a limit stays valid.
Input = Annotated[
    str | Annotated[list[InputMessage], Field(min_length=1, max_length=MAX_MESSAGES)],
    AfterValidator(_check_messages),
]


_PREVIEW_CHARS = 200
_READ_CHARS = 10 * _PREVIEW_CHARS


def preview_of(said: Sequence[InputMessage]) -> str | None:
    """Return how the text of an input's last message begins, on one line; None without text."""
    content = said[-1].content if said else ""
    parts = [TextPart(text=content)] if isinstance(content, str) else content
    text = " ".join(part.text[:_READ_CHARS] for part in parts if isinstance(part, TextPart))
    return " ".join(text[:_READ_CHARS].split())[:_PREVIEW_CHARS] or None


class Message(Public):
    """One message of a run or a thread."""

    id: str
    """Names the message within its run."""
    role: Literal["user", "assistant", "tool"]
    """Who says it; `tool` is the result of a call."""
    content: Content
    """Text, or parts that may be images and documents."""
    tool_calls: list[ToolCall] | None = None
    """What the model asked for beside its text; null if it asked for nothing."""
    call_id: str | None = None
    """Of a tool's message: the call whose result this is."""
    is_error: bool | None = None
    """Of a tool's message: whether the call failed, so that the text says why."""
    approval: Resolution | None = None
    """Of a tool's message: who decided on the call, if somebody had to."""
    agent: str | None = None
    """Of the model's message: the agent that speaks."""
    handed_over_to: str | None = None
    """Of a tool's message: the agent that took the run over by this call; null for other calls."""
    reasoning: str | None = None
    """Of the model's message: what it thought before, as far as its provider tells; null unless
    the agent keeps that."""
    refused: str | None = None
    """Why the model's provider refused it: the type of the run's error. It is not sent to a model
    again; of a tool's message the result is left out."""
    run_id: str
    """The run in which it was said, or the name of what a client added to a thread itself."""
    created_at: Time
    """When it was said, or received."""
