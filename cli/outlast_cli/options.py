"""Arguments and options that several commands take."""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeVar, get_args

import typer
from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

from outlast.protocol import RunStatus, StartRun, from_client
from outlast_cli import completion
from outlast_cli.asking import read_value
from outlast_cli.client import Client
from outlast_cli.output import say
from outlast_cli.settings import FORMER

Body = TypeVar("Body", bound=BaseModel)

Agent = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="The agent's name.", autocompletion=completion.complete_agent
    ),
]
RunId = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The run's id.", autocompletion=completion.complete_run),
]
OpenRunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run's id.", autocompletion=completion.complete_open_run
    ),
]
PausedRunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run's id.", autocompletion=completion.complete_paused_run
    ),
]
WaitingRunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run's id.", autocompletion=completion.complete_waiting_run
    ),
]
ThreadId = Annotated[
    str,
    typer.Argument(
        metavar="THREAD",
        help="The conversation's name.",
        autocompletion=completion.complete_thread,
    ),
]
ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar="APPROVAL",
        help="The approval's id, such as 2.0; a tool call's is the call's.",
        autocompletion=completion.complete_approval,
    ),
]
CallId = Annotated[
    str,
    typer.Argument(
        metavar="CALL",
        help="The call's id, such as 2.0.",
        autocompletion=completion.complete_call,
    ),
]
Input = Annotated[str, typer.Argument(metavar="INPUT", help="A text; - reads standard input.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: a document, or a line per event.")]
Children = Annotated[
    bool,
    typer.Option("--children", help="Also what the runs do that it calls, and those they call."),
]
Limit = Annotated[int, typer.Option(min=1, help="How many at most, newest first.")]
After = Annotated[int, typer.Option(min=0, help="Leave out events up to this number.")]
By = Annotated[str | None, typer.Option(help="Who decides; your account, if not given.")]
Reason = Annotated[str | None, typer.Option(help="For the model, and for the record.")]
Thread = Annotated[
    str | None,
    typer.Option(help="The conversation to go on with.", autocompletion=completion.complete_thread),
]
Context = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="For the instructions' {{NAME}}.")
]
Instructions = Annotated[
    str | None, typer.Option(help="Further ones for this run, if the agent allows it.")
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="How the model is called: temperature=0, …"),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Where the run stops: max_cost_usd=0.5, …"),
]
Webhook = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="Who is told, too, that the run waits or has ended."),
]
SignedBy = Annotated[
    str,
    typer.Option(
        "--webhook-secret", metavar="NAME", help="The secret of WEBHOOK_SECRETS that signs it."
    ),
]
WantedMetadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="NAME=VALUE", help="Only those that have this."),
]
Metadata = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Kept with the run.")
]


def client_of(ctx: typer.Context) -> Client:
    """Return a client of the app that the options before the command describe.

    Raises:
        BadSetting: They can't work.
    """
    root = ctx.find_root()
    for former, name in FORMER.items():
        if former in os.environ and name not in os.environ:
            say(f"{former} is not read any more: set {name} instead.")
    client = Client(root.params["url"], SecretStr(root.params["key"]))
    ctx.call_on_close(client.http.close)
    return client


def read_input(text: str) -> str:
    """Return the text, or all of standard input for a dash.

    Raises:
        typer.BadParameter: Standard input is not text.
    """
    try:
        return sys.stdin.read() if text == "-" else text
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"standard input is not text: {error}") from error


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


def parse_values(pairs: Sequence[str] | None) -> dict[str, JsonValue]:
    """Read `name=value` texts whose values are JSON, or else texts.

    Raises:
        typer.BadParameter: One has no name or no equals sign.
    """
    return {name: read_value(text) for name, text in parse_pairs(pairs).items()}


def metadata_filter(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return the parameters by which a listing looks for metadata.

    Raises:
        typer.BadParameter: A pair has no name or no equals sign.
    """
    return {f"metadata.{name}": value for name, value in parse_pairs(pairs).items()}


def with_zone(given: datetime | None) -> datetime | None:
    """Take a time for one of this machine's zone.

    Raises:
        typer.BadParameter: It is outside of the calendar there.
    """
    try:
        return given and given.astimezone()
    except (OverflowError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def check_statuses(given: list[str] | None) -> list[str] | None:
    """Let statuses through that runs can have.

    Raises:
        typer.BadParameter: With those that there are.
    """
    for status in given or ():
        if status not in get_args(RunStatus):
            raise typer.BadParameter(f"{status!r} is none of {', '.join(get_args(RunStatus))}.")
    return given


def start_body(text: str, **fields: object) -> StartRun:
    """Make the body of a start.

    Raises:
        typer.BadParameter: A field can't be what it is.
    """
    return body_of(StartRun, {"input": text, **fields})


def body_of(kind: type[Body], fields: Mapping[str, object]) -> Body:
    """Make a body of options.

    Raises:
        typer.BadParameter: A field can't be what it is.
    """
    try:
        return from_client(kind, fields)
    except ValidationError as error:
        faults = [": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors()]
        raise typer.BadParameter("; ".join(faults)) from error
