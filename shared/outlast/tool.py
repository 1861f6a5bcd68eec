"""The `@tool` decorator: a typed function becomes something that a model can call.

`outlast.tool_signature` reads the function; here what a model wrote becomes keyword arguments. It
never runs a tool: the worker does.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

from pydantic import TypeAdapter
from pydantic_core import to_json

from outlast.effects import Effect, Unknown, Verdict
from outlast.schema_titles import without_titles
from outlast.signature_checks import check_function, check_kind
from outlast.tool_checks import (
    check_approval,
    check_deferred,
    check_durable,
    check_options,
    check_verify,
)
from outlast.tool_context import ToolContext
from outlast.tool_signature import ToolArguments, read_signature

P = ParamSpec("P")
R = TypeVar("R")

Condition = Callable[..., bool]
Verify = Callable[..., Awaitable[Verdict]]
DEFAULT_TIMEOUT = timedelta(seconds=60)
DURABLE_TIMEOUT = timedelta(days=30)


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
        called = name or function.__name__
        usual = DURABLE_TIMEOUT if durable else DEFAULT_TIMEOUT
        limit = usual if timeout is None else timeout
        check_options(called, effect, limit, retries)
        check_kind(called, function)
        check_deferred(f"tool {called}", deferred)
        check_durable(called, function, effect, signals, step_timeout, durable=durable)
        signature = read_signature(function, called, durable=durable)
        check_approval(called, signature.names, needs_approval, approval_timeout, effect)
        check_verify(called, signature.names, verify, effect)
        return Tool(
            fn=function,
            name=called,
            description=signature.description,
            effect=effect,
            timeout=limit,
            retries=retries,
            needs_approval=needs_approval,
            approval_timeout=approval_timeout,
            verify=verify,
            arguments=signature.arguments,
            returns=signature.returns,
            context_parameter=signature.context_parameter,
            is_async=signature.is_async,
            parameters=without_titles(signature.arguments.model_json_schema()),
            durable=durable,
            signals=frozenset(signals),
            step_timeout=step_timeout,
            deferred=deferred,
        )

    return decorate if fn is None else decorate(fn)
