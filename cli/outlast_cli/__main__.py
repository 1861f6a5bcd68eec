"""The command line `outlast`, or `python -m outlast_cli`: a client of the HTTP interface."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from outlast_cli.client import Client
from outlast_cli.commands import changing, reading, running
from outlast_cli.errors import CliError
from outlast_cli.output import say

_EXIT_CODES = (
    "Exit codes: 0 ok; 1 the run did not complete, or the server answered with a problem; "
    "2 wrong usage; 3 no server answers; 4 the run waits for an approval; "
    "130 Ctrl-C, and the run goes on."
)
_COMMANDS: Mapping[str, Callable[..., Any]] = {
    "list": reading.list_agents,
    "run": running.run,
    "chat": running.chat,
    "watch": running.watch,
    "runs": reading.runs,
    "threads": reading.threads,
    "get": reading.get,
    "approvals": reading.approvals,
    "approve": changing.approve,
    "reject": changing.reject,
    "steer": changing.steer,
    "cancel": changing.cancel,
    "resume": changing.resume,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code of one that could not do its work.

    Raises:
        SystemExit: With the exit code, in all other cases.
    """
    try:
        _app()(arguments)
    except CliError as error:
        say(str(error))
        return error.exit_code
    return 0


def _app() -> typer.Typer:
    app = typer.Typer(
        name="agents", no_args_is_help=True, pretty_exceptions_enable=False, epilog=_EXIT_CODES
    )
    app.callback()(_connect)
    for name, command in _COMMANDS.items():
        app.command(name, epilog=_EXIT_CODES)(command)
    return app


def _connect(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(envvar="AGENTS_URL", help="Where the app is.")] = (
        "http://127.0.0.1:8070"
    ),
    key: Annotated[
        str,
        typer.Option(
            envvar="AGENTS_KEY",
            show_default=False,
            help="The bearer key. Others see it on a command line; prefer the variable.",
        ),
    ] = "",
) -> None:
    """Start, watch and decide on the runs of durable agents."""
    client = Client(url, SecretStr(key))
    ctx.obj = client
    ctx.call_on_close(client.http.close)


if __name__ == "__main__":
    sys.exit(main())
