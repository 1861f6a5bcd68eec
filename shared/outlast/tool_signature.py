"""Reads of a function what a model has to know of it: what it is for, takes and returns."""

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from outlast.errors import DefinitionError
from outlast.signature_checks import (
    check_context,
    check_docstring,
    check_parameter,
    check_result,
    context_kind,
)


class ToolArguments(BaseModel):
    """Base of the argument model of each tool."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)


@dataclass(frozen=True)
class Signature:
    """A function as a model calls it.

    Attributes:
        description: Of its docstring.
        arguments: What the model fills in, with names of our own for the fields.
        names: Those that the author gave them.
        returns: Turns what it returns into JSON.
        context_parameter: Where the context goes, if it takes one.
    """

    description: str
    arguments: type[ToolArguments]
    names: Sequence[str]
    returns: TypeAdapter[Any]
    context_parameter: str | None
    is_async: bool


def read_signature(fn: Callable[..., Any], name: str, *, durable: bool) -> Signature:
    """Read a function's signature and docstring.

    Raises:
        DefinitionError: No tool can be made of them; the message says how to mend it.
    """
    hints = _type_hints(fn, name)
    doc = docstring_parser.parse(inspect.getdoc(fn) or "", docstring_parser.DocstringStyle.GOOGLE)
    if not doc.short_description:
        raise DefinitionError(
            f"tool {name}: it needs a docstring; its first lines tell the model what it does"
        )
    parameters, context_parameter = _parameters(fn, name, hints, durable=durable)
    check_docstring(name, doc, inspect.signature(fn).parameters)
    is_async = inspect.iscoroutinefunction(fn)
    return Signature(
        description=_description(doc),
        arguments=_arguments_model(name, parameters, hints, _parameter_docs(doc)),
        names=[parameter.name for parameter in parameters],
        returns=_adapter(name, hints.get("return", Any), is_async=is_async),
        context_parameter=context_parameter,
        is_async=is_async,
    )


def _type_hints(fn: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"tool {name}: the type hint {error.name!r} is not defined where the tool is; "
            "import it at the top of the file, not under TYPE_CHECKING"
        ) from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise DefinitionError(f"tool {name}: a type hint can't be read: {error}") from error


def _parameters(
    fn: Callable[..., Any], name: str, hints: Mapping[str, Any], *, durable: bool
) -> tuple[list[inspect.Parameter], str | None]:
    """Split the signature into what the model fills in and where the context goes."""
    shown: list[inspect.Parameter] = []
    context: str | None = None
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD and (
            parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ):
            raise DefinitionError(
                f"tool {name}: parameter {parameter.name!r} can't be given by name; "
                "a tool takes no *args, **kwargs or positional-only parameters"
            )
        if parameter.name not in hints:
            likely = "ToolContext" if parameter.name == "context" else "str"
            raise DefinitionError(
                f"tool {name}: parameter {parameter.name!r} has no type hint; "
                f"write `{parameter.name}: {likely}`, or what it is"
            )
        for kind in filter(None, map(context_kind, typing.get_args(hints[parameter.name]))):
            raise DefinitionError(
                f"tool {name}: its context is always there; write `{parameter.name}: {kind}`"
            )
        kind = context_kind(hints[parameter.name])
        if kind is None:
            shown.append(parameter)
            continue
        check_context(name, parameter.name, kind, durable=durable)
        if context:
            raise DefinitionError(f"tool {name}: it takes its {kind} twice; once is enough")
        context = parameter.name
    if durable and context is None:
        raise DefinitionError(
            f"tool {name}: a durable tool does all by its context; "
            "add a parameter `context: DurableContext`"
        )
    return shown, context


def _parameter_docs(doc: docstring_parser.Docstring) -> dict[str, str]:
    return {param.arg_name: " ".join((param.description or "").split()) for param in doc.params}


def _description(doc: docstring_parser.Docstring) -> str:
    return "\n\n".join(part for part in (doc.short_description, doc.long_description) if part)


def _arguments_model(
    name: str,
    parameters: list[inspect.Parameter],
    hints: Mapping[str, Any],
    docs: Mapping[str, str],
) -> type[ToolArguments]:
    undocumented = [p.name for p in parameters if not docs.get(p.name)]
    if undocumented:
        raise DefinitionError(
            f"tool {name}: the docstring does not describe {', '.join(undocumented)}; "
            f"add a line under `Args:`, such as `{undocumented[0]}: What it means.`"
        )
    for parameter in parameters:
        check_parameter(name, parameter, hints[parameter.name])
    # Fields have names of our own, so that a parameter may be called `schema`, `copy` or `_x`.
    fields: dict[str, Any] = {
        f"argument_{index}": (
            hints[p.name],
            Field(
                default=... if p.default is inspect.Parameter.empty else p.default,
                alias=p.name,
                description=docs[p.name],
            ),
        )
        for index, p in enumerate(parameters)
    }
    return create_model(f"{name}_arguments", __base__=ToolArguments, **fields)


def _adapter(name: str, annotation: Any, *, is_async: bool) -> TypeAdapter[Any]:
    if is_async and typing.get_origin(annotation) is Awaitable:
        annotation = typing.get_args(annotation)[0]
    check_result(name, annotation, is_async=is_async)
    return TypeAdapter(annotation)
