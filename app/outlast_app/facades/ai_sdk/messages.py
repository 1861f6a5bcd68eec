"""What `useChat` sends: its list of messages, and what they are to a run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from outlast.errors import InvalidRequest
from outlast.protocol import Content, FilePart, ImagePart, InputMessage, Part, TextPart, ToolCall
from outlast_app.facades.ids import message_id_of
from outlast_app.facades.requests import checked
from outlast_app.runs.orders import fault_of

_MAX_MESSAGES = 2000
_ANSWERED = frozenset({"output-available", "output-error"})


class _Open(BaseModel):
    """Base of what clients send: what is not known is ignored, as the SDK expects."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class UiApproval(_Open):
    """A person's answer to a request for approval, or its lack."""

    id: str
    approved: StrictBool | None = None
    reason: str | None = None


class UiPart(_Open):
    """A part of a message: text, a file, or a tool call with what came of it."""

    type: str
    text: str | None = None
    url: str | None = None
    media_type: str | None = Field(default=None, alias="mediaType")
    filename: str | None = None
    tool_name: str | None = Field(default=None, alias="toolName")
    tool_call_id: str | None = Field(default=None, alias="toolCallId")
    state: str | None = None
    input: JsonValue = None
    output: JsonValue = None
    error_text: str | None = Field(default=None, alias="errorText")
    approval: UiApproval | None = None
    provider_executed: bool | None = Field(default=None, alias="providerExecuted")
    preliminary: bool | None = None

    @property
    def name(self) -> str:
        """The tool that a tool's part is of."""
        return self.tool_name or self.type.removeprefix("tool-")

    @property
    def is_tool(self) -> bool:
        """Whether it is a tool call."""
        return self.tool_call_id is not None

    @property
    def is_answered(self) -> bool:
        """Whether the client has run the tool."""
        return (
            self.is_tool
            and self.state in _ANSWERED
            and not self.provider_executed
            and not self.preliminary
        )

    @property
    def is_decided(self) -> bool:
        """Whether a person has just answered a request for approval."""
        return self.state == "approval-responded" and self.approval is not None


class UiMessage(_Open):
    """A message of the client's list."""

    id: str = ""
    role: Literal["system", "user", "assistant"]
    parts: Annotated[list[UiPart], Field(max_length=_MAX_MESSAGES)]

    @property
    def ends_with_answer(self) -> bool:
        """Whether the client has seen nothing yet of what came of its answers."""
        for part in reversed(self.parts):
            if part.is_answered or part.is_decided:
                return True
            if not part.is_tool:
                return False
        return False

    def text(self) -> str:
        """Return what it says."""
        return "".join(part.text or "" for part in self.parts if part.type == "text")


class UiRequest(_Open):
    """What the SDK's transport posts, and what its `body` option may add."""

    id: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[UiMessage], Field(max_length=_MAX_MESSAGES)] | None = None
    message: UiMessage | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = Field(default=None, alias="messageId")
    """Of a user's message that was edited, or of an answer that is to be another one."""
    metadata: dict[str, str] | None = None
    context: dict[str, JsonValue] | None = None

    def conversation(self) -> list[UiMessage]:
        """Return the messages, without those that instruct.

        Raises:
            InvalidRequest: There are none.
        """
        messages = [self.message] if self.message else self.messages or []
        said = [each for each in messages if each.role != "system"]
        if not said:
            raise InvalidRequest.at(("body.messages", "send the chat's messages, or its last one"))
        return said

    @cached_property
    def paths(self) -> Mapping[int, str]:
        """The paths of the messages, by what `id()` says of them."""
        if self.message:
            return {id(self.message): "body.message"}
        return {id(each): f"body.messages.{n}" for n, each in enumerate(self.messages or ())}

    def path_of(self, message: UiMessage) -> str:
        """Return the path of a message of this request."""
        return self.paths[id(message)]

    @property
    def asks_anew(self) -> bool:
        """Whether the client wants another answer to what was said already."""
        return self.trigger == "regenerate-message"

    @property
    def is_whole(self) -> bool:
        """Whether it has all of the client's messages, not only the last one."""
        return self.message is None

    def instructions(self) -> str | None:
        """Return what its system messages say."""
        messages = [self.message] if self.message else self.messages or []
        said = [each.text() for each in messages if each.role == "system"]
        return "\n\n".join(text for text in said if text.strip()) or None


def input_of(message: UiMessage, at: str = "body.message") -> InputMessage:
    """Return a user's message as a run takes it.

    Args:
        message: The message.
        at: Its path in the request.

    Raises:
        InvalidRequest: It has parts that no model reads.
    """
    parts = list(_parts_of(message, at))
    content: Content = parts
    if all(isinstance(part, TextPart) for part in parts):
        content = message.text()
    given = checked(at, InputMessage, id=message_id_of(message.id), role="user", content=content)
    if fault := fault_of(given):
        raise InvalidRequest.at((f"{at}.parts", fault))
    return given


def inputs_of(body: UiRequest, messages: Sequence[UiMessage]) -> Iterator[InputMessage]:
    """Return a history that is the client's alone, as a run takes it."""
    named: set[str] = set()
    for message in messages:
        at = body.path_of(message)
        if message.role == "user":
            yield input_of(message, at)
        else:
            # Some have one id for all answers.
            yield from _answer_of(message, at, has_id=message.id not in named)
            named.add(message.id)


def _answer_of(message: UiMessage, at: str, *, has_id: bool) -> Iterator[InputMessage]:
    """Return what a client says that an assistant has said, and what its tools came to."""
    made = [part for part in message.parts if part.is_tool and part.state in _ANSWERED]
    calls = [
        checked(
            at,
            ToolCall,
            call_id=part.tool_call_id or "",
            name=part.name,
            arguments=part.input if isinstance(part.input, dict) else {},
        )
        for part in made
    ]
    if calls or message.text():
        yield checked(
            at,
            InputMessage,
            id=message_id_of(message.id) if has_id else None,
            role="assistant",
            content=message.text(),
            tool_calls=calls or None,
        )
    for part in made:
        yield checked(
            at,
            InputMessage,
            role="tool",
            call_id=part.tool_call_id,
            content=result_of(part),
            is_error=part.state == "output-error",
        )


def result_of(part: UiPart) -> str:
    """Return what the model reads of a tool's part."""
    if part.state == "output-error":
        return part.error_text or "The tool failed."
    return part.output if isinstance(part.output, str) else written(part.output)


def written(value: JsonValue) -> str:
    """Write a value as the text that a model reads: the same each time."""
    return json.dumps(value, ensure_ascii=False)


def _parts_of(message: UiMessage, at: str) -> Iterator[Part]:
    for index, part in enumerate(message.parts):
        match part.type:
            case "text":
                yield TextPart(text=part.text or "")
            case "file" if part.url and (part.media_type or "").startswith("image/"):
                yield ImagePart(url=part.url)
            case "file" if part.url:
                yield FilePart(url=part.url, name=part.filename)
            case kind if kind.startswith("data-") or kind == "step-start":
                pass  # the page's own
            case kind:
                wrong = f"a user's message has no part {kind!r} that a model reads"
                raise InvalidRequest.at((f"{at}.parts.{index}", wrong))
