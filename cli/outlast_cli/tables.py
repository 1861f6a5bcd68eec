"""Listings, and a single run, as a person reads them; ids can be copied at any width."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from outlast.protocol import (
    AgentDescription,
    Approval,
    Delivery,
    PendingApproval,
    PendingCall,
    Run,
    Thread,
    ThreadSummary,
    ToolDescription,
)
from outlast_cli.fields import describe_input
from outlast_cli.output import as_text, printable, shortened, whole
from outlast_cli.transcript import summary

Item = TypeVar("Item")

# A column of words may get this narrow before each item has lines of its own instead.
_NARROW = 16
_GAP = 2
_PREVIEW_CHARS = 60


@dataclass(frozen=True)
class Columns(Generic[Item]):
    """What a listing shows of an item, by title."""

    ids: Mapping[str, Callable[[Item], str]]
    """What somebody copies: never broken or cut. The first one names the item."""
    facts: Mapping[str, Callable[[Item], str]]


def _asks(asked: Approval) -> str:
    """Say what a server asks for."""
    if asked.reason != "input":
        return ""
    return " ".join(filter(None, [asked.question, f"({describe_input(asked)})"]))


AGENTS = Columns[AgentDescription](
    ids={"NAME": lambda agent: agent.name},
    facts={
        "MODEL": lambda agent: agent.model,
        "TOOLS": lambda agent: ", ".join(
            [
                *map(_tool, agent.tools),
                *(f"those of {server} (MCP)" for server in agent.mcp),
                *(f"handoff to {handoff.agent}" for handoff in agent.handoffs),
            ]
        ),
        "SKILLS": lambda agent: ", ".join(skill.name for skill in agent.skills),
        "DESCRIPTION": lambda agent: agent.description or "",
    },
)
RUNS = Columns[Run](
    ids={"RUN": lambda run: run.run_id, "THREAD": lambda run: run.thread_id or ""},
    facts={
        "STATUS": lambda run: f"{run.status} {run.waiting_for or ''}".rstrip(),
        "TURN": lambda run: f"{run.turn}",
        "CREATED": lambda run: _time(run.created_at),
        "INPUT": lambda run: shortened(run.input_preview or "", _PREVIEW_CHARS),
    },
)
THREADS = Columns[Thread](
    ids={"THREAD": lambda thread: thread.thread_id},
    facts={
        "STATUS": lambda thread: thread.status,
        "MESSAGES": lambda thread: f"{thread.message_count}",
        "UPDATED": lambda thread: _time(thread.updated_at),
        "TITLE": lambda thread: shortened(thread.metadata.get("title", ""), _PREVIEW_CHARS),
    },
)
APPROVALS = Columns[PendingApproval](
    ids={"RUN": lambda asked: asked.run_id, "APPROVAL": lambda asked: asked.id},
    facts={
        "REASON": lambda asked: asked.reason,
        "TOOL": lambda asked: asked.name,
        "ARGUMENTS": lambda asked: as_text(asked.arguments),
        "ASKS": _asks,
        "EXPIRES": lambda asked: _time(asked.expires_at),
    },
)


CALLS = Columns[PendingCall](
    ids={"RUN": lambda call: call.run_id, "CALL": lambda call: call.call_id},
    facts={
        "TOOL": lambda call: call.name,
        "ARGUMENTS": lambda call: as_text(call.arguments),
        "EXPIRES": lambda call: _time(call.expires_at),
    },
)

DELIVERIES = Columns[Delivery](
    ids={"DELIVERY": lambda delivery: delivery.id},
    facts={
        "EVENT": lambda delivery: delivery.event,
        "STATUS": lambda delivery: delivery.status,
        "ATTEMPTS": lambda delivery: f"{delivery.attempts}",
        "NEXT": lambda delivery: _time(delivery.next_attempt_at),
        "ERROR": lambda delivery: delivery.last_error or "",
        "URL": lambda delivery: delivery.url,
    },
)


class Listing(Generic[Item]):
    """A table where it fits, else some lines for each item; nothing is cut off.

    A fact that no item has takes no room.
    """

    def __init__(self, items: Iterable[Item], columns: Columns[Item]) -> None:
        shown = list(items)
        facts = {
            title: cell
            for title, cell in columns.facts.items()
            if not shown or any(map(cell, shown))
        }
        cells = {**columns.ids, **facts}
        self._titles = list(cells)
        self._id_count = len(columns.ids)
        self._rows = [[printable(cell(item)) for cell in cells.values()] for item in shown]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay it out for a width."""
        if widths := self._widths(options.max_width):
            yield self._table(widths)
        else:
            for row in self._rows:
                yield from self._lines(row)

    def _widths(self, total: int) -> list[int] | None:
        """Return how wide each column is, if there is room for a table."""
        columns = list(zip(self._titles, *self._rows, strict=True))
        wanted = [max(map(cell_len, cells)) for cells in columns]
        least = [max(map(_least, cells)) for cells in columns]
        widths = wanted[: self._id_count] + least[self._id_count :]
        spare = total - sum(widths) - _GAP * (len(widths) - 1)
        if spare < 0:
            return None
        # Those that want least come first, so that what they leave goes to the others.
        by_want = sorted(range(len(widths)), key=lambda index: wanted[index] - widths[index])
        for done, index in enumerate(by_want):
            more = min(wanted[index] - widths[index], spare // (len(widths) - done))
            widths[index] += more
            spare -= more
        return widths

    def _table(self, widths: Sequence[int]) -> Table:
        made = Table(box=None, header_style="dim", padding=(0, _GAP, 0, 0), pad_edge=False)
        for title, width in zip(self._titles, widths, strict=True):
            made.add_column(title, width=width, overflow="fold")
        for row in self._rows:
            made.add_row(*map(Text, row))
        return made

    def _lines(self, row: Sequence[str]) -> Iterable[RenderableType]:
        cells = list(zip(self._titles, row, strict=True))
        said = [f"{title.lower()} {cell}" if cell else "" for title, cell in cells]
        ids, facts = said[1 : self._id_count], said[self._id_count :]
        yield whole(row[0])
        for line in filter(None, ids):
            yield whole(f"  {line}", "dim")
        text = Text(" · ".join(filter(None, facts)), "dim")
        yield Padding(text, (0, 0, 0, 2), expand=False)


def one_thread(thread: Thread) -> RenderableType:
    """Lay one thread out."""
    facts = {
        "status": f"{thread.status}, {thread.message_count} messages",
        "run": thread.run_id,
        "updated": _time(thread.updated_at),
        "expires": _time(thread.expires_at),
        "summary": _summary(thread.summary),
        **{f"metadata {name}": value for name, value in thread.metadata.items()},
    }
    lines = [Text(printable(f"{name:<13} {value}")) for name, value in facts.items() if value]
    return Group(whole(thread.thread_id), *lines)


def single(run: Run) -> RenderableType:
    """Lay one run out."""
    facts = {
        "now with": run.handed_over_to,
        "created": _time(run.created_at),
        "ended": _time(run.ended_at),
        "waiting": run.waiting and run.waiting.text,
        "trace": run.trace_id,
        "invocation": run.engine and run.engine.invocation_id,
        "deployment": run.engine and run.engine.deployment_id,
        "definition": run.engine and run.engine.digest,
        "last failure": run.engine and run.engine.last_failure,
        **{f"metadata {name}": value for name, value in run.metadata.items()},
        **{
            f"waits {asked.id}": f"{asked.name} {as_text(asked.arguments)} {_asks(asked)}".rstrip()
            for asked in run.approvals
            if asked.resolution is None
        },
        **{
            f"waits {call.call_id}": f"{call.name} {as_text(call.arguments)}"
            for call in run.calls
            if call.answer is None
        },
        "input": run.input_preview,
        "output": None if run.output is None else f"{run.output}",
    }
    lines = [Text(printable(f"{name:<13} {value}")) for name, value in facts.items() if value]
    thread = [whole(f"{'thread':<14}{run.thread_id}")] if run.thread_id else []
    called = run.parent and f"{run.parent.run_id} (call {run.parent.call_id})"
    parent = [whole(f"{'called by':<14}{called}")] if called else []
    return Group(whole(run.run_id), summary(run), *thread, *parent, *lines)


def _tool(tool: ToolDescription) -> str:
    marks = {True: " (needs approval)", False: "", "sometimes": " (sometimes needs approval)"}
    if tool.agent:
        return f"{tool.name} (agent)" if tool.agent == tool.name else f"{tool.name} ({tool.agent})"
    return f"{tool.name}{marks[tool.needs_approval]}"


def _summary(made: ThreadSummary | None) -> str:
    if made is None:
        return ""
    what = "left out by" if made.how == "window" else "summed up by"
    return f"the first {made.messages} messages, {what} run {made.run_id}"


def _time(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


def _least(cell: str) -> int:
    """Return how narrow a text may get: as its longest word, unless that is long."""
    return min(max(map(cell_len, cell.split()), default=0), _NARROW)
