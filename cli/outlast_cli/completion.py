"""What a shell offers when somebody completes a line: what the server knows, or nothing.

A shell evaluates what it is offered, and some of it was written by models and by strangers. So
only ids are offered that look like ids, and what is said of them is stripped to words.
"""

import re
from collections.abc import Container, Iterable, Sequence
from typing import TypeVar, get_args

import typer
from pydantic import BaseModel, SecretStr

from outlast.protocol import ENDED, AgentPage, ApprovalPage, Run, RunPage, RunStatus, ThreadPage
from outlast_cli.client import Client
from outlast_cli.decisions import unanswered, undecided
from outlast_cli.errors import CliError

Answer = TypeVar("Answer", bound=BaseModel)
Offers = list[tuple[str, str]]

_TIMEOUT_S = 1.0
_NEWEST = "50"
_HELP_CHARS = 60
_ID = re.compile(r"[A-Za-z0-9._:-]+")
_NOT_WORDS = re.compile(r"[^A-Za-z0-9 .,:_-]+")


def complete_agent(ctx: typer.Context) -> Offers:
    """Offer the agents."""
    pages = _ask(ctx, AgentPage, "agents")
    return _offer((agent.name, agent.description) for page in pages for agent in page.items)


def complete_run(ctx: typer.Context) -> Offers:
    """Offer the newest runs."""
    return _offer_runs(_ask(ctx, RunPage, "runs", limit=_NEWEST))


def complete_open_run(ctx: typer.Context) -> Offers:
    """Offer the newest runs that have not ended."""
    return _offer_runs(_ask(ctx, RunPage, "runs", limit=_NEWEST), but=ENDED)


def complete_paused_run(ctx: typer.Context) -> Offers:
    """Offer the runs that try again only when told."""
    return _offer_runs(_ask(ctx, RunPage, "runs", limit=_NEWEST, status="paused"))


def complete_waiting_run(ctx: typer.Context) -> Offers:
    """Offer the runs that wait for approval, and of which tools."""
    tools: dict[str, list[str]] = {}
    for page in _ask(ctx, ApprovalPage, "approvals", limit=_NEWEST):
        for call in page.items:
            tools.setdefault(call.run_id, []).append(call.name)
    return _offer((run_id, ", ".join(names)) for run_id, names in tools.items())


def complete_approval(ctx: typer.Context) -> Offers:
    """Offer the approvals that the run that was named before waits for."""
    runs = _ask(ctx, Run, "runs", str(ctx.params.get("run_id")))
    return _offer((asked.id, asked.name) for run in runs for asked in undecided(run))


def complete_status() -> Offers:
    """Offer what a run can be."""
    return [(status, "") for status in get_args(RunStatus)]


def complete_call(ctx: typer.Context) -> Offers:
    """Offer the calls whose results the run that was named before waits for."""
    runs = _ask(ctx, Run, "runs", str(ctx.params.get("run_id")))
    return _offer((call.call_id, call.name) for run in runs for call in unanswered(run))


def complete_thread(ctx: typer.Context) -> Offers:
    """Offer the newest conversations."""
    return _offer(
        (thread.thread_id, f"{thread.status}, {thread.message_count} messages")
        for page in _ask(ctx, ThreadPage, "threads", limit=_NEWEST)
        for thread in page.items
    )


def _offer_runs(pages: Sequence[RunPage], but: Container[RunStatus] = ()) -> Offers:
    return _offer(
        (run.run_id, f"{run.status} {run.waiting_for or ''} {run.thread_id or ''}")
        for page in pages
        for run in page.items
        if run.status not in but
    )


def _offer(found: Iterable[tuple[str, str | None]]) -> Offers:
    return [
        (name, _NOT_WORDS.sub(" ", said or "").strip()[:_HELP_CHARS])
        for name, said in found
        if _ID.fullmatch(name)
    ]


def _ask(ctx: typer.Context, kind: type[Answer], *parts: str, **params: str) -> list[Answer]:
    """Return the server's answer; nothing without one, or with one that comes too late."""
    options = ctx.find_root().params
    try:
        client = Client(options["url"], SecretStr(options["key"]), _TIMEOUT_S)
        with client.http:
            return [client.get(kind, *parts, **params)]
    except CliError:
        return []
