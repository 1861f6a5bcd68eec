"""Decisions on tool calls that wait for approval, made by whoever sits at the terminal."""

import getpass
from http import HTTPStatus

from outlast.events import ApprovalRequested
from outlast.protocol import Approval, Decision, Resolution, Run
from outlast_cli.client import Client
from outlast_cli.editing import Arguments, edit
from outlast_cli.errors import Refused, Undecided
from outlast_cli.keyboard import ask, forget_what_was_typed
from outlast_cli.output import as_text, console, say

_ASK_AGAIN = frozenset({HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


def settle(client: Client, asked: ApprovalRequested, *, may_ask: bool) -> None:
    """Ask for a decision on a tool call, unless there is one.

    Raises:
        Undecided: Nobody can be asked, or wants to decide later.
    """
    run = client.get(Run, "runs", asked.run_id)
    for call in undecided(run):
        if call.call_id == asked.call_id and not (may_ask and _decide(client, run.run_id, call)):
            raise Undecided(f"The run waits for a decision:\n{how_to_decide(run)}")


def undecided(run: Run) -> list[Approval]:
    """Return the calls of a run that wait for a decision."""
    return [call for call in run.approvals if call.resolution is None]


def commands_to_decide(run: Run) -> list[str]:
    """Return the commands that let a run's calls happen."""
    return [
        f"  outlast approve {run.run_id} {call.call_id}  # {call.name}" for call in undecided(run)
    ]


def how_to_decide(run: Run) -> str:
    """Return the commands for a run that waits for decisions, and that nobody watches."""
    return "\n".join([*commands_to_decide(run), f"or reject, then: outlast watch {run.run_id}"])


def whoami() -> str | None:
    """Return who sits at the terminal, by the name of the account."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return None


def _decide(client: Client, run_id: str, call: Approval) -> bool:
    """Ask until the call is decided on; False if that is left for later."""
    if not console.is_terminal:  # else the line above says it
        say(f"{call.name} {as_text(call.arguments)}")
    forget_what_was_typed()
    arguments: Arguments = call.arguments
    while decision := _ask(call.name, arguments):
        try:
            client.post(Resolution, "runs", run_id, "approvals", call.call_id, body=decision)
        except Refused as error:
            if error.status not in {HTTPStatus.CONFLICT, *_ASK_AGAIN}:
                raise
            say(str(error))
            if error.status in _ASK_AGAIN:
                # Whoever edits again goes on with their own.
                arguments = arguments if decision.arguments is None else decision.arguments
                continue
        return True
    return False


def _ask(name: str, arguments: Arguments) -> Decision | None:
    """Return what the person decides, or None for later, which Ctrl-D means too."""
    while True:
        try:
            match ask("[a]pprove, [r]eject, [e]dit the arguments, or [l]ater").lower():
                case "a" | "approve":
                    return Decision(action="approve", by=whoami())
                case "r" | "reject":
                    return Decision(action="reject", reason=ask("Reason") or None, by=whoami())
                case "e" | "edit":
                    changed = edit(name, arguments)
                    if changed is not None:
                        return Decision(action="approve", arguments=changed, by=whoami())
                case "l" | "later":
                    return None
                case _:
                    continue
        except EOFError:
            return None
        except ValueError as error:
            say(f"That does not work: {error}.")
