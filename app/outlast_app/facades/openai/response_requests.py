"""What `POST /v1/responses` takes: what is said, what is answered, and what is to be otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from outlast.protocol import (
    ClientToolSpec,
    InputMessage,
    Limits,
    Overrides,
    Part,
    TextPart,
    ToolCall,
)
from outlast_app.bodies import made
from outlast_app.facades.call_arguments import check_arguments
from outlast_app.facades.ids import message_id_of
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
)
from outlast_app.facades.openai.errors import Refused, unsupported
from outlast_app.facades.openai.response_object import ECHOED

_CHOICES = frozenset({"auto", "none", "required"})
_KNOWN_TO_US = frozenset({"reasoning", "mcp_call", "mcp_list_tools", "mcp_approval_request"})
"""Items that clients send back with what a run of ours has said: it has them."""


class _Part(OpenAiModel):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: str | None = None
    file_data: str | None = None
    filename: str | None = None

    def read(self, param: str) -> Part:
        """Return it as a run takes it."""
        match self.type:
            case "input_text" | "output_text" | "text":
                return TextPart(text=self.text)
            case "refusal":
                return TextPart(text=self.refusal)
            case "input_image":
                return image_of(self.image_url, f"{param}.image_url")
            case "input_file":
                return file_of(self.file_data, self.filename, f"{param}.file_data")
            case _:
                raise unsupported(f"{param}.type", f"{self.type!r} is not taken")


class InputItem(OpenAiModel):
    """An item of the input."""

    type: str | None = None
    id: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[_Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[_Part] | None = None
    approval_request_id: str | None = None
    approve: Annotated[bool, Field(strict=True)] | None = None
    reason: str | None = None

    @property
    def kind(self) -> str:
        """What it is: one without a type is a message if it has a role, else a reference."""
        return self.type or ("message" if self.role else "item_reference")

    def said(self, param: str) -> str | list[Part]:
        """Return a message's content, or a result."""
        given = self.output if self.kind == "function_call_output" else self.content
        if given is None or isinstance(given, str):
            return given or ""
        parts = enumerate(given)
        return joined([part.read(f"{param}.content.{index}") for index, part in parts])

    def call(self, param: str) -> ToolCall:
        """Return a call that a client has run.

        Raises:
            Refused: It is none.
        """
        if not (self.call_id and self.name):
            raise Refused("invalid_request_error", f"{param}: needs call_id and name", param)
        return call_of(self.call_id, self.name, self.arguments or "", f"{param}.arguments")


class _Tool(OpenAiModel):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    server_label: str | None = None


class _Choice(OpenAiModel):
    type: str
    name: str | None = None


class _Format(OpenAiModel):
    type: str
    json_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")


class _TextConfig(OpenAiModel):
    format: _Format | None = None


class _Reasoning(OpenAiModel):
    effort: str | None = None


class _Conversation(OpenAiModel):
    id: str


class ResponseRequest(Sampling):
    """What is asked, as far as it means something to a run."""

    model: str
    input: str | list[InputItem] = ""
    instructions: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    text: _TextConfig | None = None
    reasoning: _Reasoning | None = None
    max_output_tokens: int | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    previous_response_id: str | None = None
    conversation: str | _Conversation | None = None
    background: bool | None = None
    store: bool | None = None
    stream: bool | None = None
    metadata: dict[str, str] | None = None
    truncation: str | None = None
    prompt: JsonValue = None
    context_management: JsonValue = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    # Shown again, and nothing else.
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None

    @property
    def items(self) -> list[InputItem]:
        """The input, as items."""
        if isinstance(self.input, str):
            return [InputItem(type="message", role="user", content=self.input)]
        return self.input

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it is to be in."""
        given = self.conversation
        return given.id if isinstance(given, _Conversation) else given

    def check(self) -> None:
        """Refuse what would change the answer, and can't be had.

        Raises:
            Refused: With the parameter.
        """
        if self.previous_response_id and self.conversation:
            raise unsupported("conversation", "send it, or previous_response_id; not both")
        if self.truncation not in (None, "disabled"):
            raise unsupported("truncation", "nothing is cut off; `disabled`")
        if self.top_logprobs:
            raise unsupported("top_logprobs", NOT_HERE)
        for name in ("prompt", "context_management"):
            if getattr(self, name) is not None:
                raise unsupported(name, NOT_HERE)
        if any("logprobs" in name for name in self.include or ()):
            raise unsupported("include", "there are no logprobs")

    def limits(self) -> Limits:
        """Return where the run is to stop."""
        return made(Limits, {"max_tool_calls": self.max_tool_calls})

    def overrides(self, more_instructions: Sequence[str]) -> Overrides:
        """Return what the run is to have otherwise."""
        return overrides_of(
            instructions=[self.instructions or "", *more_instructions],
            options=options_of(
                self, self.max_output_tokens, self.reasoning and self.reasoning.effort
            ),
            tools=list(_read_tools(self.tools or (), self.model)),
            tool_choice=_read_choice(self.tool_choice),
            output_schema=_read_format(self.text and self.text.format),
        )

    def echo(self, raw: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return what the response shows of its request, of the request as it came."""
        return {name: raw[name] for name in ECHOED if raw.get(name) is not None}


def read_history(items: Sequence[InputItem], at: Sequence[int]) -> list[InputMessage]:
    """Return items as a conversation: calls with the message before them, results by their ids.

    Args:
        items: Without references.
        at: Their places in the input, for what is wrong with them.
    """
    check_arguments((item.arguments or "" for item in items), "body.input")
    history: list[InputMessage] = []
    calls: dict[int, list[ToolCall]] = {}
    for item, place in zip(items, at, strict=True):
        param = f"input.{place}"
        match item.kind:
            case "message" if item.role in ("user", "assistant"):
                message = _message(
                    param, id=message_id_of(item.id), role=item.role, content=item.said(param)
                )
                if message.role == "user" or message.content:
                    history.append(message)
            case "function_call":
                if not history or history[-1].role != "assistant":
                    history.append(_message(param, role="assistant", content=""))
                calls.setdefault(len(history) - 1, []).append(item.call(param))
            case "function_call_output":
                if not item.call_id:
                    raise Refused("invalid_request_error", f"{param}.call_id: missing", param)
                history.append(
                    _message(param, role="tool", call_id=item.call_id, content=item.said(param))
                )
            case kind if kind in _KNOWN_TO_US or kind == "message":
                pass
            case kind:
                raise Refused("unsupported_item", f"{param}: {kind!r} is not taken", param)
    for index, asked in calls.items():
        history[index] = _message("input", **{**dict(history[index]), "tool_calls": asked})
    return history


def _message(param: str, **given: Any) -> InputMessage:
    return made(InputMessage, given, f"body.{param}")


def instructions_in(items: Sequence[InputItem]) -> Iterator[str]:
    """Yield what items say to the model as its author would."""
    for place, item in enumerate(items):
        if item.kind == "message" and item.role in ("system", "developer"):
            said = item.said(f"input.{place}")
            if not isinstance(said, str):
                raise unsupported(f"input.{place}.content", "instructions are text")
            yield said


def _read_tools(tools: Sequence[_Tool], agent: str) -> Iterator[ClientToolSpec]:
    for index, tool in enumerate(tools):
        if tool.type == "mcp" and tool.server_label == agent:
            continue  # so clients say that they can decide on the agent's own calls
        if tool.type != "function":
            why = f"tools.{index}: {tool.type!r} is not taken; the agent has its own tools"
            raise Refused("unsupported_tool", why, f"tools.{index}.type")
        yield FunctionSpec(
            name=tool.name, description=tool.description, parameters=tool.parameters
        ).as_client_tool(f"tools.{index}")


def _read_choice(choice: Any) -> str | None:
    if choice is None or (isinstance(choice, str) and choice in _CHOICES):
        return choice
    if isinstance(choice, _Choice) and choice.type == "function" and choice.name:
        return choice.name
    raise unsupported("tool_choice", "auto, none, required, or a function by its name")


def _read_format(wanted: _Format | None) -> dict[str, JsonValue] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_schema" and wanted.json_schema:
        return wanted.json_schema
    raise unsupported("text.format", f"{wanted.type!r} is not taken; send a json_schema")
