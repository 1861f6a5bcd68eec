"""The commands by name: what the listing says of each, and where its code is.

A command's code is imported when it is run, or asked for its help; the listing needs none of it.
Other packages add commands by entry points of the group `outlast.commands`, whose names are the
commands'. Each names a function as typer takes it, or a `typer.Typer` for a group of commands.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup

from outlast_cli.errors import CliError, NotInstalled

PLUG_INS: Final = "outlast.commands"
EXIT_CODES: Final = (
    "Exit codes: 0 ok; 1 the run did not complete, or the server answered with a problem; "
    "2 wrong usage; 3 no server answers; 4 the run waits for a decision or a result; "
    "130 Ctrl-C, and the run goes on."
)

PROJECT: Final[Mapping[str, str]] = {
    "init": "Write a project to start with.",
    "dev": "Run app, worker and Restate here, with reload.",
    "up": "Start app, worker and Restate in the background.",
    "down": "End what `up` started.",
    "restart": "Restart one part of what `up` started.",
    "status": "Show what is running, and where.",
    "logs": "Show what the parts have logged since they started.",
    "register": "Make a worker known to Restate.",
}
"""Commands of `outlast-local`, which `outlast --help` names whether it is installed or not."""

RUNS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("running:run", "Start a run and follow it."),
    "chat": ("chatting:chat", "Talk with an agent, one run for each line."),
    "fork": ("running:fork", "Start a run that goes on from the middle of one that has ended."),
    "watch": ("running:watch", "Follow a run's events, before, during and after it."),
    "events": ("reading:events", "List what a run has done so far, and end."),
    "list": ("reading:list_agents", "List the agents, with their models and tools."),
    "runs": ("reading:runs", "List runs."),
    "threads": ("reading:threads", "List conversations, those that changed last first."),
    "thread": (
        "changing:thread",
        "Show how a conversation stands, make it, or change its title and metadata.",
    ),
    "messages": ("reading:messages", "Show a conversation."),
    "get": ("reading:get", "Show a run as it is now."),
    "inspect": (
        "reading:inspect",
        "Show what a run was made with: its definition, a prompt, or its order.",
    ),
    "approvals": ("reading:approvals", "List what all runs wait for people to decide."),
    "calls": ("reading:calls", "List the tool calls of all runs that wait for a client's result."),
    "approve": ("changing:approve", "Let a tool call run that waits for approval."),
    "reject": (
        "changing:reject",
        "Refuse a tool call that waits for approval; the model reads the reason.",
    ),
    "decide": (
        "changing:decide",
        "Decide on what else a run waits for: a call in doubt, a limit, an input.",
    ),
    "answer": ("changing:answer", "Send the result of a call that a client runs."),
    "webhooks": ("telling:webhooks", "List how far a run's webhooks have been told of it."),
    "redeliver": ("telling:redeliver", "Tell a run's webhooks again."),
    "steer": ("changing:steer", "Hand a message to a run in progress."),
    "signal": ("changing:signal", "Send a signal to a tool that a run has called."),
    "delete": ("changing:delete", "Forget a run that has ended, or a conversation."),
    "cancel": ("changing:cancel", "End a run, wherever it is."),
    "resume": ("changing:resume", "Let a paused run try again."),
}
"""Commands of this package, with the function in `outlast_cli.commands`."""

_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")


class Commands(TyperGroup):
    """All commands, each loaded when it is needed."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in PROJECT.items():
            self.add_command(_listed(name, summary, "Your project"))
        for name, (_, summary) in RUNS.items():
            self.add_command(_listed(name, summary, "Runs and threads"))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the listing."""
        return [*self.commands, *sorted(_plug_ins().keys() - self.commands.keys())]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002
        """Return what the listing shows of a command."""
        if ours := self.commands.get(cmd_name):
            return cast("TyperCommand", ours)
        plug_in = _plug_ins().get(cmd_name)
        return _listed(cmd_name, _summary(plug_in), "Added by other packages") if plug_in else None

    def resolve_command(
        self, ctx: Any, args: list[str]
    ) -> tuple[str | None, TyperCommand | None, list[str]]:
        """Return the command that is to be run, with its code."""
        name, _, rest = super().resolve_command(ctx, args)
        try:
            return name, load(name or ""), rest
        except CliError:
            if not ctx.resilient_parsing:
                raise
            # A shell that completes a line gets nothing, and no error in the middle of it.
            return name, None, rest


def load(name: str) -> TyperCommand:
    """Import a command.

    Raises:
        NotInstalled: It is of a package that is missing, or that can't be imported.
    """
    if name in RUNS:
        module, _, function = RUNS[name][0].partition(":")
        found = getattr(import_module(f"outlast_cli.commands.{module}"), function)
        return _as_command(found, name, epilog=EXIT_CODES)
    if plug_in := _plug_ins().get(name):
        return _as_command(_import(plug_in), name)
    raise NotInstalled(f'`outlast {name}` needs another package: pip install "outlast[local]"')


def _plug_ins() -> Mapping[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=PLUG_INS)}


def _import(plug_in: EntryPoint) -> Any:
    try:
        return plug_in.load()
    except (ImportError, AttributeError) as error:
        said = f"`outlast {plug_in.name}` is {plug_in.value}, which can't be imported: {error}"
        raise NotInstalled(said) from error


def _as_command(found: Callable[..., Any] | typer.Typer, name: str, **more: Any) -> TyperCommand:
    app = found
    if not isinstance(app, typer.Typer):
        app = typer.Typer(add_completion=False)
        # A docstring's lines end where the code's do; help is as wide as the terminal.
        told = _LINE_END.sub(" ", inspect.getdoc(found) or "")
        app.command(name, help=told, **more)(found)
    return cast("TyperCommand", typer.main.get_command(app))


def _listed(name: str, summary: str, panel: str) -> TyperCommand:
    return TyperCommand(name, help=summary, rich_help_panel=panel)


def _summary(plug_in: EntryPoint) -> str:
    """Return the first line of a command that only its package knows, which is imported for it."""
    try:
        return _as_command(_import(plug_in), plug_in.name).get_short_help_str(80)
    except NotInstalled as error:
        return str(error)
