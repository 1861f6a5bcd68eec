"""The `lifespan` of the agents' module: what the worker opens for its tools before it serves.

This module says what one looks like, and refuses what is not one. Only the worker enters it: the
app needs neither the secrets nor the servers that tools need.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Any, cast

from outlast.errors import DefinitionError

Lifespan = Callable[[], AbstractAsyncContextManager[object]]

_AS_IT_SHOULD_BE = (
    "write `@asynccontextmanager` (of contextlib) above `async def lifespan()`, "
    "which yields the tools' resources once"
)


def check_lifespan(lifespan: Any, where: str) -> Lifespan:
    """Return it if it can be entered, as far as can be told without calling it.

    Args:
        lifespan: What the agents' module has under this name.
        where: The module, as in the setting AGENTS.

    Raises:
        DefinitionError: With the fix.
    """
    if isinstance(lifespan, ModuleType):
        raise DefinitionError(
            f"{where}: `lifespan` is the module {lifespan.__name__}; write "
            f"`from {lifespan.__name__} import lifespan` in {where}, or rename the file"
        )
    if isinstance(lifespan, AbstractAsyncContextManager):
        raise DefinitionError(
            f"{where}: `lifespan` was called already; name the function itself, without `()`"
        )
    if not callable(lifespan):
        raise DefinitionError(f"{where}: `lifespan` is {lifespan!r}; {_AS_IT_SHOULD_BE}")
    if inspect.iscoroutinefunction(lifespan) or _is_generator(lifespan):
        raise DefinitionError(f"{where}: `lifespan` is not a context manager; {_AS_IT_SHOULD_BE}")
    if inspect.isgeneratorfunction(inspect.unwrap(lifespan)):
        raise DefinitionError(f"{where}: `lifespan` is a plain context manager; {_AS_IT_SHOULD_BE}")
    for parameter in _parameters(lifespan):
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise DefinitionError(
                f"{where}: `lifespan` takes {parameter.name!r}, but nobody gives it anything; "
                "read settings from the environment inside of it"
            )
    return cast("Lifespan", lifespan)


def open_lifespan(lifespan: Lifespan) -> AbstractAsyncContextManager[object]:
    """Call a lifespan and return what is to be entered.

    Raises:
        DefinitionError: There is nothing to be entered.
    """
    manager = lifespan()
    if not isinstance(manager, AbstractAsyncContextManager):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
        raise DefinitionError(
            f"{name_of(lifespan)} returned {manager!r}, which is not an async context manager; "
            f"{_AS_IT_SHOULD_BE}"
        )
    return manager


def name_of(lifespan: Lifespan) -> str:
    """Return what to call a lifespan in a message, such as `desk.lifespan`."""
    name = getattr(lifespan, "__qualname__", repr(lifespan))
    return f"{getattr(lifespan, '__module__', '')}.{name}".lstrip(".")


def _is_generator(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # Python does not tell of some classes in C
        return []
