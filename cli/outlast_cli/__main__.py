"""The command line `outlast`, or `python -m outlast_cli`: a client of the HTTP interface."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from outlast_cli.catalog import EXIT_CODES, Commands
from outlast_cli.errors import BadSetting, CliError
from outlast_cli.output import say, write_in_any_encoding
from outlast_cli.settings import DEFAULT_URL, KEY, TRACEBACK, URL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code of one that could not do its work.

    Raises:
        SystemExit: With the exit code, in all other cases.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    write_in_any_encoding()
    try:
        _check(arguments)
        _app()(arguments, prog_name="outlast")
    except CliError as error:
        say(str(error))
        return error.exit_code
    except Exception as error:  # whatever it is, a person gets a sentence
        if os.environ.get(TRACEBACK):
            raise
        fault = f"{type(error).__name__}: {error}"
        say(f"outlast could not go on: {fault}. With {TRACEBACK}=1 it shows where.")
        return 1
    return 0


def _check(arguments: Sequence[str]) -> None:
    """Refuse what neither a header nor JSON can carry.

    Raises:
        BadSetting: An argument has bytes that are not text.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise BadSetting(f"{argument!r} is not text in this locale's encoding.") from error


def _app() -> typer.Typer:
    app = typer.Typer(
        cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, epilog=EXIT_CODES
    )
    app.callback()(_options)
    return app


def _show_version(wanted: bool | None) -> None:  # noqa: FBT001  # as typer calls it
    if wanted:
        typer.echo(f"outlast {metadata.version('outlast-cli')}")
        raise typer.Exit


def _options(
    url: Annotated[str, typer.Option(envvar=URL, help="Where the app is.")] = DEFAULT_URL,
    key: Annotated[
        str,
        typer.Option(
            envvar=KEY,
            show_default=False,
            help="The bearer key. Others see it on a command line; prefer the variable.",
        ),
    ] = "",
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show it and exit."),
    ] = None,
) -> None:
    """Agents that outlast their processes: make them, start them, watch and decide."""
    # `options.client_of` reads them when a command asks for a server; not all do.
    del url, key, version


if __name__ == "__main__":
    sys.exit(main())
