"""`up`, `down`, `restart`, `status`, `logs` and `register`: the stack in the background."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer

from outlast.settings_errors import read_settings
from outlast_app.settings import AppSettings
from outlast_cli.output import console, say
from outlast_cli.program import outlast
from outlast_local import background, log_files, status_report
from outlast_local.commands import command
from outlast_local.example_call import example_call
from outlast_local.misspelt import misspelt_settings
from outlast_local.provider import describe_model
from outlast_local.settings import LocalSettings, read_settings_of_started
from outlast_local.signals import interruptible
from outlast_local.stack import Stack


class Part(StrEnum):
    """A part of the stack that can be restarted."""

    APP = "app"
    WORKER = "worker"
    RESTATE = "restate"
    GUARD = "guard"


@command
def up() -> None:
    """Start app, worker and Restate in the background.

    Serves the agents of AGENTS (in .env, or the environment) from this folder. Data and logs are
    in .outlast, or in STACK_DIR. Without a provider's key a demo model answers.
    """
    settings = read_settings(LocalSettings)
    app_settings = read_settings(AppSettings)
    stack = background.own_stack(settings)
    _warn(misspelt_settings())
    say("Starting Restate, the worker and the app …")
    with interruptible(stack.stop):
        _warn(stack.start(allow_removed=True))
        typer.echo(_summary(stack, app_settings))


@command
def down() -> None:
    """End what `up` started.

    The data stays, for the next start.
    """
    directory = read_settings_of_started().directory()
    ended = background.end_stack(directory)
    for name in ended:
        typer.echo(f"{name} ended")
    if not ended:
        typer.echo(f"Nothing runs, with data in {directory}.")


@command
def restart(
    part: Annotated[Part, typer.Argument(metavar="PART", help="Which one.")],
) -> None:
    """Restart one part of what `up` started.

    The worker has to be, after a change of the agents' code. Runs go on where they were.
    """
    _warn(background.restart(read_settings_of_started(), part))
    typer.echo(f"{part} started again")


@command
def status() -> None:
    """Show what is running, and where.

    Exits with 1 if a part is not well.
    """
    report = status_report.look(read_settings_of_started())
    console.print(status_report.as_text(report), soft_wrap=True)
    if not report.well:
        raise typer.Exit(1)


@command
def logs(
    part: Annotated[
        str | None,
        typer.Argument(
            metavar="[PART]", help="app, worker, restate, guard or demo_model; all, if not given."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as more is logged.")
    ] = False,
) -> None:
    """Show what the parts have logged since they started."""
    directory = read_settings_of_started().directory()
    for line in log_files.read(directory, part, follow=follow):
        typer.echo(line)


@command
def register(
    allow_removed: Annotated[
        bool,
        typer.Option(
            "--allow-removed",
            help="Warn, instead of refusing, when an agent is gone whose runs have not ended.",
        ),
    ] = False,
) -> None:
    """Make a worker known to Restate.

    The one at WORKER_URL, to the server at RESTATE_ADMIN_URL. `dev`, `up` and `restart worker`
    do it themselves.
    """
    stack = background.started_stack(read_settings_of_started())
    _warn(stack.register(allow_removed=allow_removed))
    typer.echo("The worker is registered.")


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(f"Warning: {warning}")


def _summary(stack: Stack, settings: AppSettings) -> str:
    return (
        f"app       {stack.app_url}  (docs at /docs)\n"
        f"Restate   {stack.admin_url}  (UI)\n"
        f"model     {describe_model()}\n"
        f"data      {stack.directory}  (logs: {outlast('logs')})\n\n"
        f"{example_call(stack.app_url, settings)}"
    )
