"""Refuses signatures and docstrings of which no tool can be made, with the way to mend them.

`outlast.tool` makes the tool; this module only raises.
"""

import inspect
import re
import typing
from collections.abc import AsyncIterable, Awaitable, Collection
from datetime import timedelta
from typing import Any

import docstring_parser
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaError

from outlast.durable_context import is_durable_context
from outlast.errors import DefinitionError
from outlast.protocol import MAX_DELAY_S
from outlast.tool_context import is_tool_context

_NO_METHOD = (
    "a tool is a function, not a method; write it outside of the class, and take what belongs to "
    "the run from a parameter with the type hint ToolContext"
)
_TYPES = (
    "str, int, float, bool, date, datetime, Literal, an Enum, list, dict, a dataclass or "
    "a pydantic model"
)
_MAX_TIMEOUT = timedelta(seconds=MAX_DELAY_S)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MAX_STEP_TIMEOUT = timedelta(days=1)
_SIGNAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
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


def check_name(name: Any) -> None:
    """Refuse what no model can call.

    Raises:
        DefinitionError: With the fix.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"tool {name!r}: a name has letters of English, digits, _ and -, at most 64 of them"
        )


def check_timeout(tool: str, timeout: Any) -> None:
    """Refuse what is no time for an attempt.

    Raises:
        DefinitionError: With the fix.
    """
    if not isinstance(timeout, timedelta):
        raise DefinitionError(
            f"tool {tool}: timeout is {timeout!r}; write timedelta(seconds={timeout})"
        )
    if timeout <= timedelta(0):
        raise DefinitionError(f"tool {tool}: timeout must be more than nothing, not {timeout}")
    if timeout > _MAX_TIMEOUT:
        raise DefinitionError(
            f"tool {tool}: timeout must be {_MAX_TIMEOUT.days} days at most, not {timeout}"
        )


def check_deferred(tool: str, deferred: Any) -> None:
    """Refuse what says neither that a tool is deferred nor that it is not.

    Raises:
        DefinitionError: With the fix.
    """
    if deferred is not None and not isinstance(deferred, bool):
        raise DefinitionError(f"{tool}: deferred is {deferred!r}; it must be True or False")


def check_durable(  # each is an option of the author's
    tool: str, fn: Any, effect: str, signals: Any, step_timeout: Any, *, durable: bool
) -> None:
    """Refuse what a durable tool can't be, and what only a durable one can.

    Raises:
        DefinitionError: With the fix.
    """
    names: list[Any] = [] if isinstance(signals, str) else list(signals)
    for name in names:
        if not isinstance(name, str) or not _SIGNAL.fullmatch(name):
            raise DefinitionError(
                f"tool {tool}: {name!r} is no name for a signal; it has letters of English, "
                "digits, _ and -, at most 64 of them"
            )
    if isinstance(signals, str):
        raise DefinitionError(f"tool {tool}: signals is a text; write signals=[{signals!r}]")
    if not durable:
        if names:
            raise DefinitionError(
                f"tool {tool}: only a durable tool waits for signals; add durable=True"
            )
        return
    if not inspect.iscoroutinefunction(fn):
        raise DefinitionError(f"tool {tool}: a durable tool is async; write `async def {tool}`")
    if effect != "idempotent":
        raise DefinitionError(
            f"tool {tool}: effect={effect!r} is of tools that are not durable; leave it out, and "
            "hand `context.idempotency_key` to what must not happen twice"
        )
    if not isinstance(step_timeout, timedelta) or not (
        timedelta(0) < step_timeout <= _MAX_STEP_TIMEOUT
    ):
        raise DefinitionError(
            f"tool {tool}: step_timeout is {step_timeout!r}; write timedelta(seconds=60), or what "
            "one step may take, at most a day"
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


def _parameters_of(
    tool: str, option: str, fn: Any, wanted: str, *, is_async: bool
) -> Collection[inspect.Parameter]:
    wrong = DefinitionError(f"tool {tool}: {option} is {fn!r}; write {wanted}")
    if not callable(fn) or inspect.isclass(fn) or inspect.iscoroutinefunction(fn) != is_async:
        raise wrong
    try:
        return inspect.signature(fn, eval_str=True).parameters.values()
    except NameError as error:
        raise DefinitionError(
            f"tool {tool}: {option} has the type hint {error.name!r}, which is not defined "
            "where it is; import it at the top of the file, not under TYPE_CHECKING"
        ) from error
    except (AttributeError, SyntaxError, TypeError, ValueError):
        raise wrong from None


def _check_asked_for(
    tool: str, option: str, asked: Collection[inspect.Parameter], parameters: Collection[str]
) -> None:
    for parameter in asked:
        if parameter.name not in parameters and not is_tool_context(parameter.annotation):
            raise DefinitionError(
                f"tool {tool}: {option} asks for {parameter.name!r}, which is no parameter "
                "of the tool; name the tool's own, or one with the type hint ToolContext"
            )


def check_approval(
    tool: str, parameters: Collection[str], needs_approval: Any, timeout: Any, effect: str
) -> None:
    """Refuse a condition that can't be asked about a call, and a timeout of nothing.

    Raises:
        DefinitionError: With the fix.
    """
    if timeout is not None and not needs_approval and effect != "once":
        raise DefinitionError(
            f"tool {tool}: approval_timeout without needs_approval; nobody is asked"
        )
    if timeout is not None and not (isinstance(timeout, timedelta) and timeout > timedelta(0)):
        raise DefinitionError(
            f"tool {tool}: approval_timeout is {timeout!r}; write timedelta(hours=8), "
            "or leave it out to wait for ever"
        )
    if timeout is not None and timeout > _MAX_TIMEOUT:
        raise DefinitionError(
            f"tool {tool}: approval_timeout must be {_MAX_TIMEOUT.days} days at most, not "
            f"{timeout}; leave it out to wait for ever"
        )
    if isinstance(needs_approval, bool):
        return
    wanted = "True, or a plain function of the arguments that returns a bool"
    asked = _parameters_of(tool, "needs_approval", needs_approval, wanted, is_async=False)
    _check_asked_for(tool, "needs_approval", asked, parameters)


def check_verify(tool: str, parameters: Collection[str], verify: Any, effect: str) -> None:
    """Refuse what can't find out about a call, and a tool that is never in doubt.

    Raises:
        DefinitionError: With the fix.
    """
    if verify is None:
        return
    if effect != "once":
        raise DefinitionError(
            f'tool {tool}: verify goes with effect="once"; no other call is ever in doubt'
        )
    wanted = "an async function that returns Done(result), NotDone() or Unknown()"
    asked = _parameters_of(tool, "verify", verify, wanted, is_async=True)
    _check_asked_for(tool, "verify", asked, parameters)
