"""The `@tool` decorator: a typed function becomes something that a model can call.

This module turns a signature and a docstring into a JSON schema, and what a model wrote into
keyword arguments. It never runs a tool: the worker does.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic_core import to_json

from outlast.effects import Effect, Unknown, Verdict
from outlast.errors import DefinitionError
from outlast.schema_titles import without_titles
from outlast.tool_checks import (
    check_approval,
    check_context,
    check_deferred,
    check_docstring,
    check_durable,
    check_function,
    check_kind,
    check_name,
    check_parameter,
    check_result,
    check_timeout,
    check_verify,
    context_kind,
)
from outlast.tool_context import ToolContext

P = ParamSpec("P")
R = TypeVar("R")

Condition = Callable[..., bool]
Verify = Callable[..., Awaitable[Verdict]]
DEFAULT_TIMEOUT = timedelta(seconds=60)
DURABLE_TIMEOUT = timedelta(days=30)


class ToolArguments(BaseModel):
    """Base of the argument model of each tool."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)


@dataclass(frozen=True, eq=False)
class Tool(Generic[P, R]):
    """A function with a schema. Calling it calls the function."""

    fn: Callable[P, R]
    name: str
    description: str
    effect: Effect
    timeout: timedelta
    retries: int
    needs_approval: bool | Condition
    approval_timeout: timedelta | None
    verify: Verify | None
    arguments: type[ToolArguments]
    returns: TypeAdapter[Any]
    context_parameter: str | None
    is_async: bool
    parameters: Mapping[str, Any] = field(repr=False)
    durable: bool = False
    signals: frozenset[str] = frozenset()
    step_timeout: timedelta = DEFAULT_TIMEOUT
    deferred: bool | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, as if it were not decorated."""
        return self.fn(*args, **kwargs)

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Turn a call's arguments, as `read_arguments` gave them, into keyword arguments.

        Raises:
            pydantic.ValidationError: They do not fit the signature.
        """
        # As JSON, in which a date is a text.
        parsed = self.arguments.model_validate_json(to_json(arguments))
        return {
            str(info.alias): getattr(parsed, name)
            for name, info in type(parsed).model_fields.items()
        }

    def asks_first(self, arguments: Mapping[str, Any], context: ToolContext) -> bool:
        """Tell whether a person must approve a call with these arguments, as `parse` gave them."""
        return asks_first(self.needs_approval, arguments, context)

    @property
    def condition_timeout(self) -> timedelta:
        """How long `needs_approval` may take: a durable tool's own time may be weeks."""
        return self.step_timeout if self.durable else self.timeout

    async def find_out(self, arguments: Mapping[str, Any], context: ToolContext) -> Verdict:
        """Tell whether a call with these arguments, as `parse` gave them, did happen."""
        if self.verify is None:
            return Unknown()
        return await self.verify(**_given(self.verify, arguments, context))

    def dump(self, result: Any) -> str:
        """Turn what the function returned into the text that the model reads."""
        if isinstance(result, str):
            return result
        return self.returns.dump_json(result).decode()


AnyTool = Tool[..., Any]


def asks_first(
    needs_approval: bool | Condition,  # noqa: FBT001  # as authors write it
    arguments: Mapping[str, Any],
    context: ToolContext,
) -> bool:
    """Tell whether a person must approve a call with these arguments."""
    if isinstance(needs_approval, bool):
        return needs_approval
    return bool(needs_approval(**_given(needs_approval, arguments, context)))


def _given(
    fn: Callable[..., Any], arguments: Mapping[str, Any], context: ToolContext
) -> dict[str, Any]:
    """Return what a function takes of a call: the arguments that it names, and the context."""
    return {name: arguments.get(name, context) for name in inspect.signature(fn).parameters}


@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    effect: Effect = "idempotent",
    timeout: timedelta | None = None,
    retries: int = 0,
    needs_approval: bool | Condition = False,
    approval_timeout: timedelta | None = None,
    verify: Verify | None = None,
    durable: bool = False,
    signals: Collection[str] = (),
    step_timeout: timedelta = DEFAULT_TIMEOUT,
    deferred: bool | None = None,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    fn: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    effect: Effect = "idempotent",
    timeout: timedelta | None = None,
    retries: int = 0,
    needs_approval: bool | Condition = False,
    approval_timeout: timedelta | None = None,
    verify: Verify | None = None,
    durable: bool = False,
    signals: Collection[str] = (),
    step_timeout: timedelta = DEFAULT_TIMEOUT,
    deferred: bool | None = None,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of a function with type hints and a Google-style docstring.

    Args:
        fn: An async function, or a sync one (it runs in a thread).
        name: What the model calls it; the function's name if not given.
        effect: `read`: may run again at any time. `idempotent`: runs at least once, always with
            the same `context.idempotency_key`. `once`: never runs twice; where a crash, a timeout
            or an `InDoubt` leaves it open whether it ran, `verify` or a person finds out.
        timeout: Of one attempt, 60 s if not given; of a durable call as a whole, 30 days if not
            given. 365 days at most.
        retries: How often an attempt that raised is repeated, after 0.5 s, 1 s, 2 s, …; of a
            durable tool, each step.
        needs_approval: Whether a person must approve each call before it runs; or a function that
            says so of one call. It takes those of the tool's parameters that it names, and a
            `ToolContext` if it asks for one.
        approval_timeout: After this long without a decision the call is not run; 365 days at
            most, for ever if None. Of a `once` tool also how long a call in doubt waits.
        verify: Of a `once` tool: an async function that returns `Done(result)`, `NotDone()` or
            `Unknown()` for a call in doubt. It takes those of the tool's parameters that it names,
            and a `ToolContext`, whose `idempotency_key` is the call's.
            most, for ever if None.
        durable: Whether the call is a journal of its own: an async function that takes a
            `DurableContext`, whose steps, sleeps and waits for signals outlive the worker.
        signals: The names of what may be sent to a durable call while it goes on.
        step_timeout: Of one attempt at a step of a durable tool; a day at most.
        deferred: Whether the model is told of it only when it has searched for such a tool; as
            its agent's `search_tools` says if not given.

    Raises:
        DefinitionError: The declaration can't work; the message says how to mend it.
    """

    def decorate(function: Callable[P, R]) -> Tool[P, R]:
        check_function(function)
        usual = DURABLE_TIMEOUT if durable else DEFAULT_TIMEOUT
        return _build(
            function,
            name=name or function.__name__,
            effect=effect,
            timeout=usual if timeout is None else timeout,
            retries=retries,
            needs_approval=needs_approval,
            approval_timeout=approval_timeout,
            verify=verify,
            durable=durable,
            signals=signals,
            step_timeout=step_timeout,
            deferred=deferred,
        )

    return decorate if fn is None else decorate(fn)


def _build(
    fn: Callable[P, R],
    *,
    name: str,
    effect: Effect,
    timeout: timedelta,
    retries: int,
    needs_approval: bool | Condition,
    approval_timeout: timedelta | None,
    verify: Verify | None,
    durable: bool,
    signals: Collection[str],
    step_timeout: timedelta,
    deferred: bool | None,
) -> Tool[P, R]:
    _check_options(name, effect, timeout, retries)
    check_kind(name, fn)
    check_deferred(f"tool {name}", deferred)
    check_durable(name, fn, effect, signals, step_timeout, durable=durable)
    hints = _type_hints(fn, name)
    doc = docstring_parser.parse(inspect.getdoc(fn) or "", docstring_parser.DocstringStyle.GOOGLE)
    if not doc.short_description:
        raise DefinitionError(
            f"tool {name}: it needs a docstring; its first lines tell the model what it does"
        )
    parameters, context_parameter = _parameters(fn, name, hints, durable=durable)
    check_docstring(name, doc, inspect.signature(fn).parameters)
    arguments = _arguments_model(name, parameters, hints, _parameter_docs(doc))
    names = [parameter.name for parameter in parameters]
    check_approval(name, names, needs_approval, approval_timeout, effect)
    check_verify(name, names, verify, effect)
    is_async = inspect.iscoroutinefunction(fn)
    return Tool(
        fn=fn,
        name=name,
        description=_description(doc),
        effect=effect,
        timeout=timeout,
        retries=retries,
        needs_approval=needs_approval,
        approval_timeout=approval_timeout,
        verify=verify,
        arguments=arguments,
        returns=_adapter(name, hints.get("return", Any), is_async=is_async),
        context_parameter=context_parameter,
        is_async=is_async,
        parameters=without_titles(arguments.model_json_schema()),
        durable=durable,
        signals=frozenset(signals),
        step_timeout=step_timeout,
        deferred=deferred,
    )


def _check_options(name: str, effect: str, timeout: timedelta, retries: int) -> None:
    check_name(name)
    if effect not in typing.get_args(Effect):
        allowed = ", ".join(repr(known) for known in typing.get_args(Effect))
        raise DefinitionError(f"tool {name}: effect is {effect!r}; it must be one of {allowed}")
    check_timeout(name, timeout)
    if not isinstance(retries, int) or retries < 0:  # pyright: ignore[reportUnnecessaryIsInstance]  # the same
        raise DefinitionError(f"tool {name}: retries must be 0 or more, not {retries!r}")
    if retries and effect == "once":
        raise DefinitionError(
            f"tool {name}: it runs once, so nothing repeats it; leave out retries, or make it "
            "idempotent by context.idempotency_key"
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
