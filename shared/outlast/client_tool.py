"""Tools that somebody outside runs: a browser, an app, another service.

The model calls one like any other. The run then waits until a client sends its result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, JsonValue

from outlast.errors import DefinitionError
from outlast.json_schema import UnusableSchema, check_schema
from outlast.protocol import DEFAULT_CLIENT_TIMEOUT_S
from outlast.schema_titles import without_titles
from outlast.tool_checks import check_deferred, check_name, check_timeout

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


@dataclass(frozen=True, eq=False)
class ClientTool:
    """What the model is told of a tool that is not ours to run."""

    name: str
    description: str
    parameters: Mapping[str, JsonValue]
    timeout: timedelta
    deferred: bool | None = None


def client_tool(
    name: str,
    description: str,
    parameters: type[BaseModel] | Mapping[str, Any] | None = None,
    timeout: timedelta = timedelta(seconds=DEFAULT_CLIENT_TIMEOUT_S),
    *,
    deferred: bool | None = None,
) -> ClientTool:
    """Declare a tool that a client runs.

    Args:
        name: What the model calls it.
        description: What it does, for the model.
        parameters: A pydantic model, or the JSON Schema of an object; without them it takes none.
            Calls that don't fit go back to the model, and no client sees them.
        timeout: How long a call waits for its result; 365 days at most.
        deferred: As of `@tool`.

    Raises:
        DefinitionError: The declaration can't work; the message says how to mend it.
    """
    check_name(name)
    check_timeout(name, timeout)
    check_deferred(f"client tool {name}", deferred)
    if not isinstance(description, str) or not description.strip():  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
        raise DefinitionError(f"client tool {name}: it needs a description, for the model")
    schema = _schema_of(name, parameters)
    try:
        check_parameters(schema)
    except UnusableSchema as error:
        raise DefinitionError(f"client tool {name}: parameters: {error}") from error
    return ClientTool(name, description, schema, timeout, deferred)


def check_parameters(schema: Mapping[str, Any]) -> None:
    """Refuse what is no schema of a call's arguments.

    Raises:
        UnusableSchema: With the reason.
    """
    if schema.get("type") != "object":
        raise UnusableSchema('the arguments are an object: it needs "type": "object"')
    check_schema(schema)


def _schema_of(name: str, parameters: Any) -> Mapping[str, Any]:
    if parameters is None:
        return _NO_PARAMETERS
    if isinstance(parameters, type) and issubclass(parameters, BaseModel):
        return without_titles(parameters.model_json_schema())
    if not isinstance(parameters, Mapping):
        raise DefinitionError(
            f"client tool {name}: parameters are a pydantic model, or the JSON Schema of an "
            'object, such as {"type": "object", "properties": {"city": {"type": "string"}}}'
        )
    return dict(parameters)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # JSON
