"""Refuses signatures and docstrings of which no tool can be made, with the way to mend them.

`outlast.tool_signature` reads them; this module only raises.
"""

import inspect
import re
import typing
from collections.abc import AsyncIterable, Awaitable, Collection
from typing import Any

import docstring_parser
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaError

from outlast.durable_context import is_durable_context
from outlast.errors import DefinitionError
from outlast.tool_context import is_tool_context

_NO_METHOD = (
    "a tool is a function, not a method; write it outside of the class, and take what belongs to "
    "the run from a parameter with the type hint ToolContext"
)
_TYPES = (
    "str, int, float, bool, date, datetime, Literal, an Enum, list, dict, a dataclass or "
    "a pydantic model"
)
_CULPRIT = re.compile(r"for <class '([^']+)'>")


def check_function(fn: Any) -> None:
    """Refuse what is no function.

    Raises:
        DefinitionError: With the fix.
    """
    if not inspect.isroutine(fn):
        raise DefinitionError(
            f"@tool: {fn!r} is no function; write @tool right above a `def`, "
            'and options by name, such as @tool(name="refund")'
        )
    if isinstance(fn, (classmethod, staticmethod)):  # pyright: ignore[reportUnnecessaryIsInstance]  # `isroutine` takes them, too
        raise DefinitionError(f"tool {fn.__name__}: {_NO_METHOD}")


def check_kind(tool: str, fn: Any) -> None:
    """Refuse a method, a generator and what has no signature.

    Raises:
        DefinitionError: With the fix.
    """
    try:
        first = next(iter(inspect.signature(fn).parameters.values()), None)
    except ValueError as error:
        raise DefinitionError(
            f"tool {tool}: Python does not tell what it takes; write a `def` that calls it"
        ) from error
    if first and first.name in ("self", "cls") and first.annotation is first.empty:
        raise DefinitionError(f"tool {tool}: it takes {first.name!r}, but {_NO_METHOD}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(
            f"tool {tool}: it has a `yield`, but its result must be one value; collect what it "
            "yields in a list and return that"
        )


def context_kind(hint: Any) -> str | None:
    """Return the name of the context that a type hint is of, if it is of one."""
    if is_durable_context(hint):
        return "DurableContext"
    return "ToolContext" if is_tool_context(hint) else None


def check_context(tool: str, parameter: str, kind: str, *, durable: bool) -> None:
    """Refuse the context of another kind of tool.

    Raises:
        DefinitionError: With the fix.
    """
    wanted = "DurableContext" if durable else "ToolContext"
    if kind == wanted:
        return
    other = "" if durable else ", or add durable=True"
    raise DefinitionError(
        f"tool {tool}: its context is a {wanted}; write `{parameter}: {wanted}`{other}"
    )


def check_parameter(tool: str, parameter: inspect.Parameter, hint: Any) -> None:
    """Refuse a type that has no JSON schema, and a default of another type.

    Raises:
        DefinitionError: With the fix.
    """
    where = f"tool {tool}: parameter {parameter.name!r}"
    try:
        adapter = TypeAdapter[Any](hint)
        adapter.json_schema()
    except (SchemaError, TypeError) as error:
        raise DefinitionError(
            f"{where} has a constraint that {_shown(hint)} can't have: {error}"
        ) from error
    except (PydanticUserError, NameError) as error:
        raise DefinitionError(
            f"{where} is of the type {_shown(hint, error)}, which a model can't fill in; "
            f"use {_TYPES}"
        ) from error
    if parameter.default is not inspect.Parameter.empty:
        _check_default(where, parameter, hint, adapter)


def check_result(tool: str, hint: Any, *, is_async: bool) -> None:
    """Refuse a result that can't become JSON.

    Raises:
        DefinitionError: With the fix.
    """
    if not is_async and any(_is_awaited(part) for part in (hint, *typing.get_args(hint))):
        raise DefinitionError(
            f"tool {tool}: it returns {_shown(hint)}, which somebody has to await; "
            f"write `async def {tool}` and return the value itself"
        )
    try:
        TypeAdapter[Any](hint).json_schema(mode="serialization")
    except (PydanticUserError, SchemaError, NameError, TypeError) as error:
        raise DefinitionError(
            f"tool {tool}: it returns {_shown(hint, error)}, which can't become JSON; "
            "return text, numbers, lists, dicts, dataclasses or pydantic models"
        ) from error


def check_docstring(
    tool: str, doc: docstring_parser.Docstring, parameters: Collection[str]
) -> None:
    """Refuse a line under `Args:` for a parameter that does not exist.

    Raises:
        DefinitionError: With the fix.
    """
    for line in doc.params:
        if line.args[0] == "param" and line.arg_name not in parameters:
            raise DefinitionError(
                f"tool {tool}: the docstring describes {line.arg_name!r}, which is no parameter "
                f"(they are: {', '.join(parameters) or 'none'}); correct the name, take the line "
                "out, or indent it if it goes on with the line above"
            )


def _check_default(
    where: str, parameter: inspect.Parameter, hint: Any, adapter: TypeAdapter[Any]
) -> None:
    default = parameter.default
    if isinstance(default, FieldInfo):
        raise DefinitionError(
            f"{where} has a pydantic Field as its default, which the function would be given; "
            f"write `{parameter.name}: Annotated[{_shown(hint)}, Field(…)]`"
        )
    try:
        # Strictly, since the function is given the default as it is.
        adapter.validate_python(default, strict=True)
    except Exception as error:  # an author's validators may raise anything
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        fix = f"write `{_shown(hint)} | None`" if default is None else "change one of them"
        raise DefinitionError(
            f"{where} is of the type {_shown(hint)}, and its default {default!r} is not "
            f"({said}); {fix}"
        ) from error


def _is_awaited(hint: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    return inspect.isclass(kind) and issubclass(kind, (Awaitable, AsyncIterable))


def _shown(hint: Any, error: Exception | None = None) -> str:
    """Return a type as its author writes it, with the class inside it that is the trouble."""
    bare = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    shown = inspect.formatannotation(bare)
    culprit = _CULPRIT.search(str(error))
    if culprit is None or culprit[1] in shown:
        return shown
    return f"{shown} (because of {culprit[1]})"
