"""Listings, and a single run, as a person reads them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from outlast.protocol import AgentDescription, PendingApproval, Run, Thread, ToolDescription
from outlast_cli.output import as_text, printable
from outlast_cli.transcript import summary

Item = TypeVar("Item")
Columns = Mapping[str, Callable[[Item], str]]

AGENTS: Columns[AgentDescription] = {
    "NAME": lambda agent: agent.name,
    "MODEL": lambda agent: agent.model,
    "TOOLS": lambda agent: ", ".join(map(_tool, agent.tools)),
    "DESCRIPTION": lambda agent: agent.description or "",
}
RUNS: Columns[Run] = {
    "RUN": lambda run: run.run_id,
    "STATUS": lambda run: f"{run.status} {run.waiting_for or ''}",
    "THREAD": lambda run: run.thread_id or "",
    "TURN": lambda run: f"{run.turn}",
    "CREATED": lambda run: _time(run.created_at),
}
THREADS: Columns[Thread] = {
    "THREAD": lambda thread: thread.thread_id,
    "STATUS": lambda thread: thread.status,
    "MESSAGES": lambda thread: f"{thread.message_count}",
    "UPDATED": lambda thread: _time(thread.updated_at),
}
APPROVALS: Columns[PendingApproval] = {
    "RUN": lambda call: call.run_id,
    "CALL": lambda call: call.call_id,
    "TOOL": lambda call: call.name,
    "ARGUMENTS": lambda call: as_text(call.arguments),
    "EXPIRES": lambda call: _time(call.expires_at),
}


def table(items: Iterable[Item], columns: Columns[Item]) -> Table:
    """Lay a list out; nothing is cut off."""
    made = Table(*columns, box=None, header_style="dim", pad_edge=False)
    for column in made.columns:
        column.overflow = "fold"
    for item in items:
        made.add_row(*(Text(printable(cell(item))) for cell in columns.values()))
    return made


def single(run: Run) -> RenderableType:
    """Lay one run out."""
    facts = {
        "thread": run.thread_id,
        "created": _time(run.created_at),
        "ended": _time(run.ended_at),
        "last failure": run.engine and run.engine.last_failure,
        **{f"metadata {name}": value for name, value in run.metadata.items()},
        **{
            f"waits {call.call_id}": f"{call.name} {as_text(call.arguments)}"
            for call in run.approvals
            if call.resolution is None
        },
        "output": None if run.output is None else f"{run.output}",
    }
    lines = [f"{name:<14}{value}" for name, value in facts.items() if value]
    return Group(run.run_id, summary(run), *(Text(printable(line)) for line in lines))


def _tool(tool: ToolDescription) -> str:
    marks = {True: " (needs approval)", False: "", "sometimes": " (sometimes needs approval)"}
    return f"{tool.name}{marks[tool.needs_approval]}"


def _time(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""
