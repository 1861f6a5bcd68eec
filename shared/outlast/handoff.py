"""Handoffs: an agent has another one take its run over, which then goes on with it."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_json

from outlast.agent_tool import schema_of_input
from outlast.errors import DefinitionError
from outlast.tool_checks import check_name

if TYPE_CHECKING:
    from outlast.agent import Agent

_NO_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}


@dataclass(frozen=True, eq=False)
class Handoff:
    """Whom an agent may hand its run over to, and what its model is told of that.

    Args:
        agent: Who takes over; by name where the two hand over to each other.
        description: When to hand over, for the model; by default what the agent's own description
            says.
        input: A pydantic model of what the model has to say of it, for the next agent to read in
            the conversation. Nothing by default.
        name: What the model calls it; `transfer_to_<agent>` by default.

    Raises:
        DefinitionError: The declaration can't work; the message says how to mend it.
    """

    agent: "Agent | str"
    _: KW_ONLY
    description: str | None = None
    input: type[BaseModel] | None = None
    name: str = ""
    parameters: Mapping[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the declaration, when the agent's file is imported."""
        if not isinstance(self.target, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
            raise DefinitionError(f"handoff to {self.agent!r}: it must be an agent, or its name")
        where = f"handoff to {self.target}"
        if not self.name:
            object.__setattr__(self, "name", f"transfer_to_{self.target}")
        try:
            check_name(self.name)
        except DefinitionError as error:
            raise DefinitionError(f"{where}: {error}; give it another one: name=…") from error
        if self.description is not None and not self.description.strip():
            raise DefinitionError(f"{where}: its description says nothing")
        parameters = _NO_PARAMETERS if self.input is None else schema_of_input(self.input, where)
        object.__setattr__(self, "parameters", parameters)

    @property
    def target(self) -> str:
        """The name of the agent that takes over."""
        return self.agent if isinstance(self.agent, str) else getattr(self.agent, "name", None)  # pyright: ignore[reportReturnType]  # checked above

    def told(self, target: "Agent") -> str:
        """Return what the model is told of it.

        Raises:
            DefinitionError: There is nothing to tell.
        """
        if self.description:
            return self.description
        if not target.description:
            raise DefinitionError(
                f"handoff to {target.name}: it needs a description, which tells the model when to "
                f'hand over: Handoff({target.name}, description="…"), or that of the agent'
            )
        takes_over = f"Hand the conversation over to {target.name}, who goes on with it."
        return f"{takes_over} {target.description}"

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse what does not fit, of a call's arguments as `read_arguments` gave them.

        Raises:
            pydantic.ValidationError: It does not fit the input model.
        """
        (self.input or _Nothing).model_validate_json(to_json(arguments), extra="forbid")


class _Nothing(BaseModel):
    """What a handoff takes that has no input model."""
