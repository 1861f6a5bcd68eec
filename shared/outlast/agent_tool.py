"""Agents as tools of other agents: each call is a run of its own, a child of the calling run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, Field, PydanticUserError, field_validator
from pydantic_core import to_json

from outlast.errors import DefinitionError
from outlast.schema_titles import without_titles
from outlast.tool import DEFAULT_TIMEOUT, Condition, asks_first
from outlast.tool_checks import check_approval, check_deferred, check_name
from outlast.tool_context import ToolContext

if TYPE_CHECKING:
    from outlast.agent import Agent

ChildThread = Literal["none", "own"]
MAX_DEPTH = 8
"""How many runs may be above one that an agent has called."""
MAX_OPEN = 64
"""How many runs may be open at once below one that nobody has called."""


class AskedInWords(BaseModel):
    """What an agent is asked whose tool has no input model of its own."""

    input: str = Field(
        description="What it is asked, with all that it has to know: it sees nothing else of this "
        "conversation."
    )

    @field_validator("input")
    @classmethod
    def _says_something(cls, said: str) -> str:
        if not said.strip():
            raise ValueError("it says nothing")
        return said


@dataclass(frozen=True, eq=False)
class AgentTool:
    """An agent that another one calls. Made by `Agent.as_tool`."""

    agent: "Agent"
    name: str
    description: str
    input: type[BaseModel]
    thread: ChildThread
    context: bool
    needs_approval: bool | Condition
    approval_timeout: timedelta | None
    parameters: Mapping[str, Any] = field(repr=False)
    condition_timeout: timedelta = DEFAULT_TIMEOUT
    """How long `needs_approval` may take."""
    deferred: bool | None = None

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Turn a call's arguments, as `read_arguments` gave them, into the input model's fields.

        Raises:
            pydantic.ValidationError: They do not fit the input model.
        """
        asked = self.input.model_validate_json(to_json(arguments), extra="forbid")
        return {name: getattr(asked, name) for name in type(asked).model_fields}

    def asks_first(self, arguments: Mapping[str, Any], context: ToolContext) -> bool:
        """Tell whether a person must approve a call with these arguments, as `parse` gave them."""
        return asks_first(self.needs_approval, arguments, context)

    def render(self, arguments: Mapping[str, Any]) -> str:
        """Turn a call's arguments, as `read_arguments` gave them, into what the agent is asked.

        Raises:
            pydantic.ValidationError: They do not fit the input model.
        """
        asked = self.input.model_validate_json(to_json(arguments), extra="forbid")
        return asked.input if isinstance(asked, AskedInWords) else asked.model_dump_json()


def make_agent_tool(
    agent: "Agent",
    name: str | None,
    description: str | None,
    asked: type[BaseModel] | None,
    thread: ChildThread,
    *,
    context: bool,
    needs_approval: bool | Condition,
    approval_timeout: timedelta | None,
    deferred: bool | None,
) -> AgentTool:
    """Make the tool that calls an agent.

    Raises:
        DefinitionError: The declaration can't work; the message says how to mend it.
    """
    called = name or agent.name
    check_name(called)
    where = f"agent {agent.name}, as a tool"
    check_deferred(where, deferred)
    told = description or agent.description
    if not isinstance(told, str) or not told.strip():
        raise DefinitionError(
            f"{where}: it needs a description, which tells the calling model what it is for: "
            'as_tool(description="…"), or that of the agent'
        )
    if thread not in get_args(ChildThread):
        raise DefinitionError(f'{where}: thread is {thread!r}; it must be "none" or "own"')
    if agent.placeholders and not context:
        needed = ", ".join(agent.placeholders)
        raise DefinitionError(
            f"{where}: its instructions need {needed} in the run's context, and context=False "
            "keeps it from it; leave that out, or give them defaults: {{name|default}}"
        )
    model = AskedInWords if asked is None else asked
    parameters = schema_of_input(model, where)
    check_approval(called, model.model_fields, needs_approval, approval_timeout, "idempotent")
    return AgentTool(
        agent=agent,
        name=called,
        description=told,
        input=model,
        thread=thread,
        context=context,
        needs_approval=needs_approval,
        approval_timeout=approval_timeout,
        parameters=parameters,
        deferred=deferred,
    )


def schema_of_input(model: type[BaseModel], where: str) -> Mapping[str, Any]:
    """Return what the calling model is told of an input model.

    Raises:
        DefinitionError: It is none, or can't be described.
    """
    if not (isinstance(model, type) and issubclass(model, BaseModel)):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
        raise DefinitionError(f"{where}: input is {model!r}; it must be a pydantic model")
    try:
        schema = without_titles(model.model_json_schema())
    except PydanticUserError as error:
        raise DefinitionError(f"{where}: input can't be described to a model: {error}") from error
    if schema.get("type") != "object":
        raise DefinitionError(f"{where}: input must be a model with fields, not a list or a value")
    schema.pop("description", None)  # the model's docstring is for programmers
    return {**schema, "additionalProperties": False}
