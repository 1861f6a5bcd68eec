"""Refuses options of which no tool can be made, with the way to mend them.

`outlast.tool` makes the tool; this module only raises.
"""

import inspect
import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, get_args

from outlast.effects import Effect
from outlast.errors import DefinitionError
from outlast.protocol import MAX_DELAY_S
from outlast.tool_context import is_tool_context

_MAX_TIMEOUT = timedelta(seconds=MAX_DELAY_S)
_MAX_STEP_TIMEOUT = timedelta(days=1)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_SIGNAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def check_name(name: Any) -> None:
    """Refuse what no model can call.

    Raises:
        DefinitionError: With the fix.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"tool {name!r}: a name has letters of English, digits, _ and -, at most 64 of them"
        )


def check_options(tool: str, effect: str, timeout: Any, retries: Any) -> None:
    """Refuse options that can't be, or don't go together.

    Raises:
        DefinitionError: With the fix.
    """
    check_name(tool)
    if effect not in get_args(Effect):
        allowed = ", ".join(repr(known) for known in get_args(Effect))
        raise DefinitionError(f"tool {tool}: effect is {effect!r}; it must be one of {allowed}")
    check_timeout(tool, timeout)
    if not isinstance(retries, int) or retries < 0:
        raise DefinitionError(f"tool {tool}: retries must be 0 or more, not {retries!r}")
    if retries and effect == "once":
        raise DefinitionError(
            f"tool {tool}: it runs once, so nothing repeats it; leave out retries, or make it "
            "idempotent by context.idempotency_key"
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


def check_durable(
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
