"""The commands of the local stack, which `outlast-local` adds to the command `outlast`.

Each is a function as typer takes it. What stops one is a message and an exit code, never a trace.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer

from outlast.settings_errors import InvalidSettings
from outlast_cli.errors import CliError
from outlast_local.errors import LocalError
from outlast_local.signals import INTERRUPTED

P = ParamSpec("P")


class Stopped(CliError):
    """A command could not do its work."""

    exit_code = 1


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Let a command end as all of them do."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except (InvalidSettings, LocalError) as error:
            raise Stopped(str(error)) from error
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    return run
