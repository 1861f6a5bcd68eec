"""What one run may have otherwise than its agent says, as far as the agent's author allows it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from outlast.protocol.client_calls import MAX_CLIENT_TOOLS, ClientToolSpec, check_size
from outlast.protocol.model_settings import ReasoningEffort
from outlast.protocol.wire import Public

Override = Literal["options", "instructions", "tool_choice", "client_tools", "output_schema"]
"""A field of a start which an agent has to allow."""

MAX_INSTRUCTIONS_CHARS = 100_000


class ModelCallOptions(Public):
    """How the model is called in this run; what is left out is as the agent says."""

    temperature: float | None = Field(default=None, ge=0, le=2, strict=True)
    """How freely the model chooses its words."""
    top_p: float | None = Field(default=None, gt=0, le=1, strict=True)
    """From how much of the likeliest words it chooses."""
    max_output_tokens: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)
    """How much one answer may have, reasoning included."""
    reasoning_effort: ReasoningEffort | None = None
    """How much the model thinks before it answers."""
    parallel_tool_calls: bool | None = Field(default=None, strict=True)
    """Whether one answer may ask for several tool calls."""


ToolChoice = Annotated[str, StringConstraints(min_length=1, max_length=64, strict=True)]
"""`auto`, `none`, `required`, or the name of a tool."""
FREE_CHOICES: frozenset[ToolChoice] = frozenset({"auto", "none"})
"""Those that need no tool."""


class Overrides(Public):
    """What a run has otherwise than its agent says."""

    instructions: (
        Annotated[
            str, StringConstraints(pattern=r"\S", max_length=MAX_INSTRUCTIONS_CHARS, strict=True)
        ]
        | None
    ) = None
    """Further instructions, after the agent's own, as they are: `{{…}}` is not filled in. Only for
    agents that allow it."""
    options: ModelCallOptions | None = None
    """How the model is called. For agents that allow it, as they do by default."""
    tool_choice: ToolChoice | None = None
    """Whether the first answer may (`auto`), must not (`none`) or must (`required`) ask for a tool
    call, or the name of the tool that it must ask for; later ones are free. Only for agents that
    allow it."""

    client_tools: (
        Annotated[
            list[ClientToolSpec],
            Field(min_length=1, max_length=MAX_CLIENT_TOOLS),
            AfterValidator(check_size),
        ]
        | None
    ) = None
    """Tools that the caller runs: the run waits for their results. 64 of them and 128 KiB at most.
    Only for agents that allow it."""
    output_schema: dict[str, JsonValue] | None = None
    """A JSON Schema that the answer has to fit, in place of what the agent asks for; `output` is
    then the parsed value. References within it only, none to itself. Only for agents that allow
    it."""

    @property
    def asked(self) -> tuple[Override, ...]:
        """What is to be otherwise."""
        names = (name for name in Overrides.model_fields if getattr(self, name) is not None)
        return tuple(names)  # pyright: ignore[reportReturnType]  # a test compares the two
