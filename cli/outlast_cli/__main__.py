"""The command line `outlast`, or `python -m outlast_cli`: a client of the HTTP interface."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from outlast_cli.catalog import EXIT_CODES, Commands
from outlast_cli.errors import CliError
from outlast_cli.output import say
from outlast_cli.settings import DEFAULT_URL, KEY, URL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code of one that could not do its work.

    Raises:
        SystemExit: With the exit code, in all other cases.
    """
    try:
        _app()(arguments, prog_name="outlast")
    except CliError as error:
        say(str(error))
        return error.exit_code
    return 0


def _app() -> typer.Typer:
    app = typer.Typer(
        cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, epilog=EXIT_CODES
    )
    app.callback()(_options)
    return app


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
) -> None:
    """Agents that outlast their processes: make them, start them, watch and decide."""
    # `options.client_of` reads them when a command asks for a server; not all do.
    del url, key


if __name__ == "__main__":
    sys.exit(main())
