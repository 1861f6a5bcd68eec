"""Hooks: functions of an author's at fixed points of a run, each called in a step of its own.

`before_model`, `after_model`, `before_tool`, `after_tool` and `on_end` make one of a function, as
`tool` makes a tool; guardrails are hooks. A hook looks, or returns what is to be otherwise.
"""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Generic, Literal, TypeVar, overload

from pydantic import JsonValue
from pydantic_core import to_json

from outlast.errors import DefinitionError
from outlast.protocol import Message, Run
from outlast.run_context import RunContext

Point = Literal["before_model", "after_model", "before_tool", "after_tool", "on_end"]
DEFAULT_TIMEOUT = timedelta(seconds=10)
_LONGEST_TIMEOUT = timedelta(hours=1)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


# What a hook sees.


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a model is about to be asked.

    Attributes:
        instructions: Returned otherwise, they are so for this turn.
        messages: What was said in this run, as the model reads it. Returned with other texts,
            these are what models read from now on, also in later runs of the thread; what clients
            see stays.
    """

    turn: int
    instructions: str
    messages: Sequence[Message]


@dataclass(frozen=True, kw_only=True)
class RequestedTool:
    """A tool call as the model wrote it; `arguments` is JSON, unless the model garbled it."""

    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """What a model has answered, before anybody sees it."""

    turn: int
    text: str
    calls: Sequence[RequestedTool]


@dataclass(frozen=True, kw_only=True)
class HookedCall:
    """A tool call whose arguments fit the tool, before a person is asked and before it runs."""

    turn: int
    call_id: str
    name: str
    arguments: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What came of a tool call that was carried out."""

    output: str
    is_error: bool


# What a hook may return, beside a changed one of these, or None.


@dataclass(frozen=True)
class Refuse:
    """Go no further: a call is not run and the model is told; at the model the run fails.

    Args:
        reason: Why, for whoever reads it.
    """

    reason: str


@dataclass(frozen=True)
class AskPerson:
    """Let a person approve this call, whatever the tool itself says of it.

    Args:
        reason: What the person is told.
    """

    reason: str


@dataclass(frozen=True)
class Instead:
    """Take this for the model's answer without asking it, or for the result of a call not run.

    Args:
        text: The answer, or the result.
    """

    text: str


@dataclass(frozen=True)
class AskAgain:
    """Give this answer back to the model, which then has another turn.

    Args:
        reason: What is wrong with it, for the model.
    """

    reason: str


R = TypeVar("R")
_Hooked = Awaitable[R | None] | R | None
_BeforeModel = Callable[[Prompt, RunContext[Any]], _Hooked[Prompt | Instead | Refuse]]
_AfterModel = Callable[[ModelAnswer, RunContext[Any]], _Hooked[ModelAnswer | AskAgain | Refuse]]
_BeforeTool = Callable[
    [HookedCall, RunContext[Any]], _Hooked[HookedCall | AskPerson | Instead | Refuse]
]
_AfterTool = Callable[[HookedCall, ToolResult, RunContext[Any]], _Hooked[ToolResult | Refuse]]
_OnEnd = Callable[[Run, RunContext[Any]], Awaitable[None] | None]
F = TypeVar("F", bound=Callable[..., Any])
F_co = TypeVar("F_co", bound=Callable[..., Any], covariant=True)


@dataclass(frozen=True)
class Hook(Generic[F_co]):
    """One of an agent's hooks. Calling it calls the function."""

    point: Point
    name: str
    fn: F_co
    timeout: timedelta

    def __call__(self, *args: Any) -> Any:
        """Call the function itself, as if it were not decorated."""
        return self.fn(*args)


AnyHook = Hook[Callable[..., Any]]


@dataclass(frozen=True)
class _Decorator(Generic[F]):
    """Makes hooks of one point of functions of one shape."""

    point: Point
    parameters: int

    @overload
    def __call__(self, fn: F, /) -> Hook[F]: ...
    @overload
    def __call__(
        self, /, *, name: str | None = None, timeout: timedelta = DEFAULT_TIMEOUT
    ) -> Callable[[F], Hook[F]]: ...
    def __call__(
        self,
        fn: F | None = None,
        /,
        *,
        name: str | None = None,
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> Hook[F] | Callable[[F], Hook[F]]:
        """Make a hook of a function, with `@before_tool` or `@before_tool(timeout=…)`.

        Args:
            fn: The function, `async` or not.
            name: In errors, events and the journal; by default the function's.
            timeout: How long it may take; a run whose hook takes longer fails.

        Raises:
            DefinitionError: Something can't work; the message says how to mend it.
        """
        if fn is None:
            return partial(self._build, name=name, timeout=timeout)
        return self._build(fn, name=name, timeout=timeout)

    def _build(self, fn: F, *, name: str | None, timeout: timedelta) -> Hook[F]:
        called = name or getattr(fn, "__name__", "")
        where = f"@{self.point} {called}"
        if not callable(fn):
            raise DefinitionError(f"@{self.point}: {fn!r} is no function")
        if not _NAME.fullmatch(called):
            raise DefinitionError(
                f"{where}: give it a name of letters, digits, _ and -, with name=…"
            )
        if not timedelta(0) < timeout <= _LONGEST_TIMEOUT:
            raise DefinitionError(f"{where}: timeout is {timeout}; write 1 h at most, and over 0")
        try:
            inspect.signature(fn).bind(*range(self.parameters))
        except TypeError as error:
            raise DefinitionError(
                f"{where}: it is called with {self.parameters} arguments, the last one a "
                f"RunContext: {error}"
            ) from error
        return Hook(self.point, called, fn, timeout)


before_model: _Decorator[_BeforeModel] = _Decorator("before_model", 2)
"""Before each model call: `(Prompt, RunContext)`."""
after_model: _Decorator[_AfterModel] = _Decorator("after_model", 2)
"""After each answer, before anybody sees it: `(ModelAnswer, RunContext)`."""
before_tool: _Decorator[_BeforeTool] = _Decorator("before_tool", 2)
"""Before each tool call, and before a person is asked: `(HookedCall, RunContext)`."""
after_tool: _Decorator[_AfterTool] = _Decorator("after_tool", 3)
"""After each tool call that was carried out: `(HookedCall, ToolResult, RunContext)`."""
on_end: _Decorator[_OnEnd] = _Decorator("on_end", 2)
"""When a run is about to end: `(Run, RunContext)`. What it returns counts for nothing."""


Guard = Callable[[str, RunContext[Any]], Any]


def input_guardrail(
    fn: Guard, *, name: str | None = None, timeout: timedelta = DEFAULT_TIMEOUT
) -> AnyHook:
    """Look at each text that users say in a run, before a model reads it.

    Args:
        fn: Gets the text and the `RunContext`, and returns None, a text that models read in its
            place, or `Refuse`, with which the run fails as `guardrail`.
        name: In errors and the journal; by default the function's.
        timeout: How long it may take for all texts that are new.
    """

    async def guard(request: Prompt, context: RunContext[Any]) -> Prompt | Refuse | None:
        messages = list(request.messages)
        for at in range(_first_unseen(request), len(messages)):
            message = messages[at]
            if message.role != "user":
                continue
            verdict = await _ask(fn, as_text(message), context)
            if isinstance(verdict, Refuse):
                return verdict
            if verdict is not None:
                messages[at] = message.model_copy(update={"content": verdict})
        return replace(request, messages=messages)

    return before_model(name=name or _name_of(fn), timeout=timeout)(guard)


def output_guardrail(
    fn: Guard, *, name: str | None = None, timeout: timedelta = DEFAULT_TIMEOUT
) -> AnyHook:
    """Look at each answer without tool calls, before anybody sees it.

    Args:
        fn: Gets the text and the `RunContext`, and returns None, a text to answer in its place,
            `AskAgain`, or `Refuse`, with which the run fails as `guardrail`.
        name: In errors and the journal; by default the function's.
        timeout: How long it may take.
    """

    async def guard(
        answer: ModelAnswer, context: RunContext[Any]
    ) -> ModelAnswer | AskAgain | Refuse | None:
        if answer.calls:
            return None
        verdict = await _ask(fn, answer.text, context)
        return replace(answer, text=verdict) if isinstance(verdict, str) else verdict

    return after_model(name=name or _name_of(fn), timeout=timeout)(guard)


def as_text(message: Message) -> str:
    """Return what a message says; what is no text as JSON."""
    content = message.content
    return content if isinstance(content, str) else to_json(content).decode()


def check_hooks(hooks: Sequence[Any]) -> None:
    """Refuse what is no hook, and two of one name.

    Raises:
        DefinitionError: With the fix.
    """
    seen: set[str] = set()
    for hook in hooks:
        if not isinstance(hook, Hook):
            raise DefinitionError(
                f"{hook!r} is no hook; decorate the function with @before_model, @after_model, "
                "@before_tool, @after_tool or @on_end"
            )
        if hook.name in seen:
            raise DefinitionError(
                f"two hooks are called {hook.name!r}; rename one with @{hook.point}(name=…)"
            )
        seen.add(hook.name)


def _first_unseen(request: Prompt) -> int:
    """Return where that begins which no model has answered: in the first turn, all of it."""
    answered = [at for at, said in enumerate(request.messages) if said.role == "assistant"]
    return answered[-1] + 1 if answered and request.turn > 1 else 0


async def _ask(fn: Guard, text: str, context: RunContext[Any]) -> Any:
    if inspect.iscoroutinefunction(fn):
        return await fn(text, context)
    return await asyncio.to_thread(fn, text, context)


def _name_of(fn: Guard) -> str | None:
    return getattr(fn, "__name__", None)
