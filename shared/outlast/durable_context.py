"""What a durable tool does by its context: steps, waits and signals, each kept once it is done.

How it is kept is the worker's. Here is also a context that keeps nothing, for tests.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from pydantic import JsonValue
from typing_extensions import TypeAliasType

from outlast.tool_context import Resources_co, ToolContext

P = ParamSpec("P")
R = TypeVar("R")


class Journal(Protocol):
    """Keeps what a durable tool has done, and gives it back when its code runs again."""

    async def step(
        self,
        name: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Call a function, once it has not been called before."""
        ...

    async def sleep(self, delay: timedelta) -> None:
        """Wait."""
        ...

    async def wait_for_signal(self, name: str, timeout: timedelta | None) -> JsonValue:
        """Wait for what somebody says."""
        ...


@dataclass(frozen=True, kw_only=True)
class DurableContext(ToolContext[Resources_co]):
    """What a durable tool knows of its call, and what it does by.

    The tool's code is run again from its first line whenever the process that ran it is gone, or
    had it wait for long. What it did by this context is not done again: it gives what it gave. So
    whatever touches the world, takes the time or chooses by chance belongs into a step, and steps
    come one after the other.
    """

    journal: Journal = field(repr=False, compare=False)

    @overload
    async def step(
        self, name: str, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    async def step(
        self, name: str, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    async def step(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function and keep what it returns, which must be what JSON can hold.

        One that a crash has cut is called again: hand it `idempotency_key` and the step's name, if
        it must not happen twice. One that raises is called again as the tool's `retries` say.

        Args:
            name: What it does, in a word or two; the same each time the code is run.
            fn: An async function, or a sync one (it runs in a thread). What its type hints say it
                returns is what comes back.
            *args: For it.
            **kwargs: For it.

        Raises:
            ToolError: It raised one, after all retries.
            StepError: It raised something else, took too long, or returned what can't be kept.
        """
        return await self.journal.step(name, fn, args, kwargs)

    async def sleep(self, delay: timedelta) -> None:
        """Wait, for days if need be, without a process."""
        await self.journal.sleep(delay)

    async def wait_for_signal(self, name: str, *, timeout: timedelta | None = None) -> JsonValue:
        """Wait until somebody sends a signal of the tool's `signals`; return its value.

        One that came before is there at once, and stays: the first value counts.

        Raises:
            TimeoutError: It did not come in time.
        """
        return await self.journal.wait_for_signal(name, timeout)

    @classmethod
    def for_test(
        cls, *, signals: Mapping[str, JsonValue] | None = None, **given: Any
    ) -> "DurableContext[Any]":
        """Make the context of a call, to test a durable tool by calling it as the function it is.

        Steps are called as they come, and no time passes.

        Args:
            signals: What is sent, by name; others never come.
            **given: As of `ToolContext.for_test`.
        """
        return DurableContext(
            **vars(ToolContext.for_test(**given)), journal=MemoryJournal(signals or {})
        )


class MemoryJournal:
    """Keeps nothing: for tests, where no process goes away."""

    def __init__(self, signals: Mapping[str, JsonValue]) -> None:
        self._signals = signals

    async def step(
        self,
        name: str,  # noqa: ARG002  # the name is for who keeps it
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Call the function."""
        result = fn(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def sleep(self, delay: timedelta) -> None:
        """Let no time pass."""

    async def wait_for_signal(self, name: str, timeout: timedelta | None) -> JsonValue:
        """Return what the test sends.

        Raises:
            TimeoutError: It sends nothing, and the tool waits for a time.
            LookupError: It sends nothing, and the tool would wait for ever.
        """
        if name in self._signals:
            return self._signals[name]
        if timeout is None:
            raise LookupError(
                f"the tool waits for the signal {name!r}, and the test sends none; "
                f"give signals={{{name!r}: …}}"
            )
        raise TimeoutError(f"the signal {name!r} did not come within {timeout}")


def is_durable_context(hint: Any) -> bool:
    """Tell whether a type hint is that of the context, with or without the resources' type."""
    if isinstance(hint, TypeAliasType):
        hint = hint.__value__
    return (typing.get_origin(hint) or hint) is DurableContext
