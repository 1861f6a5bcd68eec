"""What both of OpenAI's APIs say alike: parts of messages, function tools, schemas, options."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from outlast.protocol import (
    ClientToolSpec,
    FilePart,
    ImagePart,
    InputMessage,
    Overrides,
    Part,
    TextPart,
    ToolCall,
)
from outlast_app.bodies import made
from outlast_app.facades.call_arguments import read_arguments
from outlast_app.facades.openai.errors import unsupported

NOT_HERE = "agents do not take it; leave it out"


class OpenAiModel(BaseModel):
    """Base of what clients send: what is not known is ignored, as their libraries expect."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FunctionSpec(OpenAiModel):
    """A function that the client runs."""

    name: str
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None

    def as_client_tool(self, param: str) -> ClientToolSpec:
        """Return it as a run takes it."""
        given: dict[str, Any] = {"name": self.name, "description": self.description or self.name}
        if self.parameters:
            given["parameters"] = self.parameters
        return made(ClientToolSpec, given, f"body.{param}")


class Sampling(OpenAiModel):
    """How the model is called, as far as both APIs say it alike."""

    temperature: float | None = None
    top_p: float | None = None
    parallel_tool_calls: bool | None = None


def options_of(sampling: Sampling, max_tokens: int | None, effort: str | None) -> dict[str, Any]:
    """Return the options of a run."""
    given = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "parallel_tool_calls": sampling.parallel_tool_calls,
        "max_output_tokens": max_tokens,
        "reasoning_effort": effort,
    }
    return {name: value for name, value in given.items() if value is not None}


def overrides_of(
    *,
    instructions: Iterable[str],
    options: Mapping[str, Any],
    tools: list[ClientToolSpec],
    tool_choice: str | None,
    output_schema: dict[str, JsonValue] | None,
) -> Overrides:
    """Return what the run is to have otherwise.

    Raises:
        InvalidRequest: It can't be so.
    """
    text = "\n\n".join(said for said in instructions if said.strip())
    given = {
        "instructions": text or None,
        "options": dict(options) or None,
        "client_tools": [tool.model_dump() for tool in tools] or None,
        # What every library sends without being asked changes nothing.
        "tool_choice": None if tool_choice == "auto" else tool_choice,
        "output_schema": output_schema,
    }
    return made(Overrides, given)


def image_of(url: str | None, param: str) -> ImagePart:
    """Return an image that is named by its address, or sent along."""
    if not url:
        raise unsupported(param, "send the image itself, or its https: address")
    return ImagePart(url=url)


def file_of(data: str | None, name: str | None, param: str) -> FilePart:
    """Return a document that is sent along."""
    if not data:
        raise unsupported(param, "send the file itself, as file_data: nothing is stored here")
    url = data if data.startswith("data:") else f"data:application/pdf;base64,{data}"
    return FilePart(url=url, name=name)


def joined(parts: list[Part]) -> str | list[Part]:
    """Return a message's content: text alone as a text."""
    if all(isinstance(part, TextPart) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    return parts


def call_of(call_id: str, name: str, arguments: str, param: str) -> ToolCall:
    """Read a call of a history.

    Raises:
        InvalidRequest: It is none.
    """
    at = f"body.{param}"
    given = {"call_id": call_id, "name": name, "arguments": read_arguments(arguments, at)}
    return made(ToolCall, given, at)


def written(arguments: Mapping[str, JsonValue]) -> str:
    """Write the arguments of a call."""
    return json.dumps(arguments, ensure_ascii=False)


def says_something(message: InputMessage) -> bool:
    """Tell whether a message of a history has to be kept: empty answers are in many."""
    return bool(message.role != "assistant" or message.tool_calls or message.content)
