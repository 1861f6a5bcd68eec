"""What `POST /v1/chat/completions` takes, and the run that it asks for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from outlast.protocol import (
    ClientToolSpec,
    InputMessage,
    Overrides,
    Part,
    TextPart,
    ToolCall,
)
from outlast_app.bodies import made
from outlast_app.facades.call_arguments import check_arguments
from outlast_app.facades.openai.content import (
    NOT_HERE,
    FunctionSpec,
    OpenAiModel,
    Sampling,
    call_of,
    file_of,
    image_of,
    joined,
    options_of,
    overrides_of,
    says_something,
)
from outlast_app.facades.openai.errors import Refused, unsupported

_INSTRUCTING = ("system", "developer")
_CHOICES = frozenset({"auto", "none", "required"})


class _Url(OpenAiModel):
    url: str


class _File(OpenAiModel):
    file_data: str | None = None
    filename: str | None = None


class _Part(OpenAiModel):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: _Url | None = None
    file: _File | None = None

    def read(self, param: str) -> Part:
        """Return it as a run takes it."""
        match self.type:
            case "text":
                return TextPart(text=self.text)
            case "refusal":
                return TextPart(text=self.refusal)
            case "image_url":
                return image_of(self.image_url and self.image_url.url, f"{param}.image_url")
            case "file":
                sent = self.file or _File()
                return file_of(sent.file_data, sent.filename, f"{param}.file")
            case _:
                raise unsupported(f"{param}.type", f"{self.type!r} is not taken")


class _Function(OpenAiModel):
    name: str
    arguments: str = ""


class _Call(OpenAiModel):
    id: str
    type: str = "function"
    function: _Function | None = None


class ChatMessage(OpenAiModel):
    """A message of the history."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None

    def read(self, param: str) -> InputMessage:
        """Return it as a run takes it.

        Raises:
            Refused: It is none that a run takes.
        """
        if self.role == "function":
            raise unsupported(f"{param}.role", "`function` is the form before tools: use `tool`")
        if self.role == "tool" and not self.tool_call_id:
            raise Refused("invalid_request_error", f"{param}.tool_call_id: missing", param)
        calls = [
            _read_call(call, f"{param}.tool_calls.{index}")
            for index, call in enumerate(self.tool_calls or ())
        ]
        given = {
            "role": self.role,
            "content": self._content(param),
            "tool_calls": calls or None,
            "call_id": self.tool_call_id if self.role == "tool" else None,
        }
        return made(InputMessage, given, f"body.{param}")

    def text(self, param: str) -> str:
        """Return what instructs."""
        content = self._content(param)
        if isinstance(content, str):
            return content
        raise unsupported(f"{param}.content", "instructions are text")

    def _content(self, param: str) -> str | list[Part]:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        parts = enumerate(self.content)
        return joined([part.read(f"{param}.content.{index}") for index, part in parts])


def _read_call(call: _Call, param: str) -> ToolCall:
    if call.function is None:
        raise unsupported(f"{param}.type", f"{call.type!r} is not taken; functions are")
    return call_of(call.id, call.function.name, call.function.arguments, param)


class _Tool(OpenAiModel):
    type: str
    function: FunctionSpec | None = None


class _Schema(OpenAiModel):
    json_schema: dict[str, JsonValue] = Field(default_factory=dict, alias="schema")


class _Format(OpenAiModel):
    type: str
    json_schema: _Schema | None = None


class _NamedChoice(OpenAiModel):
    type: str
    function: FunctionSpec | None = None


class _StreamOptions(OpenAiModel):
    include_usage: bool = False


class ChatRequest(Sampling):
    """What is asked: the whole history each time, as far as it means something to a run."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: bool = False
    stream_options: _StreamOptions | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _NamedChoice | None = None
    response_format: _Format | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    metadata: dict[str, str] | None = None
    # Refused if they ask for anything.
    n: int | None = None
    functions: JsonValue = None
    function_call: JsonValue = None
    audio: JsonValue = None
    modalities: list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    web_search_options: JsonValue = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with what was used."""
        return self.stream_options is not None and self.stream_options.include_usage

    def history(self) -> list[InputMessage]:
        """Return the conversation, without what instructs.

        Raises:
            Refused: A run can't go on with it.
            InvalidRequest: Neither.
        """
        calls = (call for message in self.messages for call in message.tool_calls or ())
        texts = (call.function.arguments for call in calls if call.function)
        check_arguments(texts, "body.messages")
        said = [
            message.read(f"messages.{index}")
            for index, message in enumerate(self.messages)
            if message.role not in _INSTRUCTING
        ]
        if not said or said[-1].role == "assistant":
            raise Refused(
                "invalid_request_error",
                "messages: the last one is a user's, or the result of a tool",
                "messages",
            )
        return [message for message in said if says_something(message)]

    def answers(self) -> Mapping[str, str | list[Part]]:
        """Return the results at the history's end, by the ids of their calls."""
        results: dict[str, str | list[Part]] = {}
        for index in range(len(self.messages))[::-1]:
            message = self.messages[index]
            if message.role != "tool":
                break
            read = message.read(f"messages.{index}")
            results[read.call_id or ""] = read.content
        return dict(reversed(results.items()))

    def overrides(self) -> Overrides:
        """Return what the run is to have otherwise.

        Raises:
            Refused: It can't be so.
            InvalidRequest: Neither.
        """
        self._refuse()
        return overrides_of(
            instructions=[
                message.text(f"messages.{index}")
                for index, message in enumerate(self.messages)
                if message.role in _INSTRUCTING
            ],
            options=options_of(
                self, self.max_completion_tokens or self.max_tokens, self.reasoning_effort
            ),
            tools=list(_read_tools(self.tools or ())),
            tool_choice=_read_choice(self.tool_choice),
            output_schema=_read_format(self.response_format),
        )

    def _refuse(self) -> None:
        """Refuse what changes the answer, and what no agent does."""
        if self.n not in (None, 1):
            raise unsupported("n", "a run has one answer")
        if self.modalities and set(self.modalities) != {"text"}:
            raise unsupported("modalities", "answers are text")
        if self.logprobs or self.top_logprobs:
            raise unsupported("logprobs", NOT_HERE)
        for name in ("functions", "function_call", "audio", "web_search_options"):
            if getattr(self, name) is not None:
                why = "use tools" if name.startswith("function") else NOT_HERE
                raise unsupported(name, why)


def _read_tools(tools: Sequence[_Tool]) -> Iterator[ClientToolSpec]:
    for index, tool in enumerate(tools):
        if tool.type != "function" or tool.function is None:
            why = f"tools.{index}: {tool.type!r} is not taken; the agent has its own tools"
            raise Refused("unsupported_tool", why, f"tools.{index}.type")
        yield tool.function.as_client_tool(f"tools.{index}.function")


def _read_choice(choice: Any) -> str | None:
    if choice is None or (isinstance(choice, str) and choice in _CHOICES):
        return choice
    if isinstance(choice, _NamedChoice) and choice.type == "function" and choice.function:
        return choice.function.name
    raise unsupported("tool_choice", "auto, none, required, or a function by its name")


def _read_format(wanted: _Format | None) -> dict[str, JsonValue] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_schema" and wanted.json_schema and wanted.json_schema.json_schema:
        return wanted.json_schema.json_schema
    raise unsupported("response_format", f"{wanted.type!r} is not taken; send a json_schema")
