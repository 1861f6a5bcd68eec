"""Arguments and options that several commands take."""

import sys
from collections.abc import Sequence
from typing import Annotated, cast

import typer

from outlast_cli.client import Client

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
CallId = Annotated[str, typer.Argument(metavar="CALL", help="The call's id, such as 2.0.")]
Input = Annotated[str, typer.Argument(metavar="INPUT", help="A text; - reads standard input.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: a document, or a line per event.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most, newest first.")]
By = Annotated[str | None, typer.Option(help="Who decides; your account, if not given.")]
Reason = Annotated[str | None, typer.Option(help="For the model, and for the record.")]
Thread = Annotated[str | None, typer.Option(help="The conversation to go on with.")]
Context = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="For the instructions' {{NAME}}.")
]
Metadata = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Kept with the run.")
]


def client_of(ctx: typer.Context) -> Client:
    """Return the client that the command line's settings describe."""
    return cast("Client", ctx.obj)


def read_input(text: str) -> str:
    """Return the text, or all of standard input for a dash."""
    return sys.stdin.read() if text == "-" else text


def parse_pairs(pairs: Sequence[str] | None) -> dict[str, str]:
    """Read `name=value` texts.

    Raises:
        typer.BadParameter: One has no name or no equals sign.
    """
    found = [pair.partition("=") for pair in pairs or ()]
    for name, equals, value in found:
        if not (name and equals):
            raise typer.BadParameter(f"{name}{equals}{value} is not NAME=VALUE")
    return {name: value for name, _, value in found}
