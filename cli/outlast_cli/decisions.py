"""Decisions on a run's approvals, made by whoever sits at the terminal."""

from collections.abc import Mapping
from http import HTTPStatus

from outlast.events import ApprovalRequested, RunWaiting, ToolCallRequested
from outlast.protocol import Approval, Awaited, CallAnswer, ClientCall, Resolution, Run
from outlast_cli.asking import ask_for_decision, ask_for_result
from outlast_cli.client import Client
from outlast_cli.editing import Arguments
from outlast_cli.errors import Refused, Undecided
from outlast_cli.keyboard import forget_what_was_typed
from outlast_cli.output import as_text, console, printable, say
from outlast_cli.program import outlast

_ASK_AGAIN = frozenset({HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
# Who pastes one into a shell decides nothing that was not chosen.
_COMMANDS: Mapping[str, str] = {
    "approval": "approve {run} {id}  # {name}",
    "in_doubt": "decide {run} {id} ACTION  # {name}: retry, complete --output …, give_up",
    "limit": "decide {run} {id} ACTION  # {name}: raise --limit {name}=…, stop",
    "input": "decide {run} {id} ACTION  # {name}: answer --content …, decline",
}


def settle(client: Client, asked: ApprovalRequested, *, may_ask: bool) -> None:
    """Ask for a decision on what waits for one, unless there is one.

    Raises:
        Undecided: Nobody can be asked, or wants to decide later.
    """
    asked_id = asked.approval_id or asked.call_id or ""
    _settle_decision(client, Awaited(run_id=asked.run_id, id=asked_id), may_ask=may_ask)


def settle_call(client: Client, asked: ToolCallRequested, *, may_ask: bool) -> None:
    """Ask for the result of a call that a client runs, unless there is one.

    Raises:
        Undecided: Nobody can be asked, or wants to answer later.
    """
    _settle_result(client, Awaited(run_id=asked.run_id, id=asked.call_id), may_ask=may_ask)


def settle_below(client: Client, waiting: RunWaiting, *, may_ask: bool) -> None:
    """Ask for what runs wait for that the run has called, unless it is there.

    Raises:
        Undecided: Nobody can be asked, or wants to answer later.
    """
    for item in waiting.approvals:
        if item.run_id != waiting.run_id:
            _settle_decision(client, item, may_ask=may_ask, is_shown=False)
    for item in waiting.calls:
        if item.run_id != waiting.run_id:
            _settle_result(client, item, may_ask=may_ask, is_shown=False)


def _settle_decision(
    client: Client, awaited: Awaited, *, may_ask: bool, is_shown: bool = True
) -> None:
    run = client.get(Run, "runs", awaited.run_id)
    for approval in undecided(run):
        if approval.id != awaited.id:
            continue
        if not is_shown and console.is_terminal:
            say(f"{run.run_id} waits: {approval.name} {as_text(approval.arguments)}")
        if not (may_ask and _decide(client, run.run_id, approval)):
            raise Undecided(f"The run waits for a decision:\n{how_to_decide(run)}")


def _settle_result(
    client: Client, awaited: Awaited, *, may_ask: bool, is_shown: bool = True
) -> None:
    run = client.get(Run, "runs", awaited.run_id)
    for call in unanswered(run):
        if call.call_id != awaited.id:
            continue
        if not is_shown and console.is_terminal:
            say(f"{run.run_id} waits: {call.name} {as_text(call.arguments)}")
        if not (may_ask and _answer(client, run.run_id, call)):
            command = outlast("answer", run.run_id, call.call_id, "RESULT")
            raise Undecided(f"The run waits for a client's result:\n  {command}  # {call.name}")


def unanswered(run: Run) -> list[ClientCall]:
    """Return the calls of a run that wait for a client's result."""
    return [call for call in run.calls if call.answer is None]


def undecided(run: Run) -> list[Approval]:
    """Return the approvals of a run that wait for a decision."""
    return [approval for approval in run.approvals if approval.resolution is None]


def commands_to_decide(run: Run) -> list[str]:
    """Return the commands that let a run go on."""
    return [f"  {outlast()} {_command(run, each)}" for each in undecided(run)]


def how_to_decide(run: Run) -> str:
    """Return the commands for a run that waits for decisions, and that nobody watches."""
    may_reject = any(each.reason == "approval" for each in undecided(run))
    then = "or reject, then" if may_reject else "then"
    return "\n".join([*commands_to_decide(run), f"{then}: {outlast('watch', run.run_id)}"])


def _command(run: Run, approval: Approval) -> str:
    command = _COMMANDS.get(approval.reason, _COMMANDS["approval"])
    return command.format(run=run.run_id, id=approval.id, name=printable(approval.name))


def _answer(client: Client, run_id: str, call: ClientCall) -> bool:
    """Ask until the call has a result; False if that is left for later."""
    if not console.is_terminal:  # else the line above says it
        say(f"{call.name} {as_text(call.arguments)}")
    forget_what_was_typed()
    while result := ask_for_result(call.name):
        try:
            client.post(CallAnswer, "runs", run_id, "results", call.call_id, body=result)
        except Refused as error:
            if error.status not in {HTTPStatus.CONFLICT, *_ASK_AGAIN}:
                raise
            say(str(error))
            if error.status in _ASK_AGAIN:
                continue
        return True
    return False


def _decide(client: Client, run_id: str, approval: Approval) -> bool:
    """Ask until there is a decision; False if that is left for later."""
    if not console.is_terminal:  # else the line above says it
        say(f"{approval.name} {as_text(approval.arguments)}")
    forget_what_was_typed()
    arguments: Arguments = approval.arguments
    while decision := ask_for_decision(approval, arguments):
        try:
            client.post(Resolution, "runs", run_id, "approvals", approval.id, body=decision)
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
