"""Decisions on tool calls that wait for approval, made by whoever sits at the terminal."""

import json
from http import HTTPStatus
from typing import Any

import typer
from pydantic import JsonValue

from cli.client import Client
from cli.errors import Refused, Undecided
from cli.output import say
from cli.view import as_text
from shared.protocol import Approval, Decision, Resolution, Run


def settle(client: Client, run_id: str, *, may_ask: bool) -> None:
    """Ask for a decision on each call of the run that waits for one.

    Raises:
        Undecided: Nobody can be asked, or wants to decide later.
    """
    run = client.get(Run, "runs", run_id)
    waiting = [call for call in run.approvals if call.resolution is None]
    for call in waiting:
        decision = _ask(call) if may_ask else None
        if decision is None:
            raise Undecided(_how_to_decide(run_id, waiting))
        try:
            client.post(Resolution, "runs", run_id, "approvals", call.call_id, body=decision)
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            say(str(error))


def parse_arguments(text: str) -> dict[str, JsonValue]:
    """Read a tool call's arguments.

    Raises:
        ValueError: They are no JSON object.
    """
    value: Any = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError('arguments are an object, such as {"cents": 100}')  # noqa: TRY004
    return value  # pyright: ignore[reportUnknownVariableType]


def _ask(call: Approval) -> Decision | None:
    say(f"{call.name} {as_text(call.arguments)}")
    while True:
        match _read("[a]pprove, [r]eject, [e]dit the arguments, or [l]ater").lower():
            case "a" | "approve":
                return Decision(action="approve")
            case "r" | "reject":
                return Decision(action="reject", reason=_read("Reason", default="") or None)
            case "e" | "edit":
                try:
                    changed = parse_arguments(_read("Arguments", as_text(call.arguments)))
                    return Decision(action="approve", arguments=changed)
                except ValueError as error:
                    say(f"No JSON arguments: {error}.")
            case "l" | "later":
                return None
            case _:
                continue


def _read(question: str, default: str | None = None) -> str:
    return typer.prompt(question, default=default, err=True, show_default=bool(default))


def _how_to_decide(run_id: str, waiting: list[Approval]) -> str:
    calls = [f"  agents approve {run_id} {call.call_id}  # {call.name}" for call in waiting]
    return "\n".join(
        ["The run waits for a decision:", *calls, f"or reject, then: agents watch {run_id}"]
    )
