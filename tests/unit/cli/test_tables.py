"""Listings at any width: what somebody copies is whole."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, RenderableType

from fakes import wire
from outlast.protocol import AgentDescription, PendingApproval, Run, Thread
from outlast_cli import tables

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGENT = "an-agent-with-a-name-as-long-as-a-name-of-an-agent-may-be-at-all"
RUN_ID = f"support.{'a' * 26}"
LONG_RUN_ID = f"{LONG_AGENT}.{'b' * 26}"
THREAD_ID = "talk-0123456789ab"
LONG_THREAD_ID = "t" * 128
RUNS = [
    Run(run_id=RUN_ID, agent="support", status="completed", thread_id=THREAD_ID, created_at=NOON),
    Run(run_id=RUN_ID, agent="support", status="waiting", waiting_for="approval", created_at=NOON),
]
ASKED_RUNS = [run.model_copy(update={"input_preview": "Where is A-1001?"}) for run in RUNS]
LONG_RUNS = [
    Run(run_id=LONG_RUN_ID, agent=LONG_AGENT, status="completed", thread_id=LONG_THREAD_ID)
]
CALL = PendingApproval.model_validate(
    wire.approval(run_id=RUN_ID, agent="support", arguments={"to": "x" * 300, "cents": 5})
)
AGENT = AgentDescription.model_validate(
    {
        "name": LONG_AGENT,
        "description": "Helps everybody with everything, at great length and in detail.",
        "model": "openai/gpt-5.4-mini",
        "instructions": "",
        "context": [],
        "limits": {},
        "tools": [],
        "digest": "d",
    }
)


def _thread(thread_id: str) -> Thread:
    return Thread(
        thread_id=thread_id,
        status="idle",
        run_id=None,
        queued=[],
        message_count=4,
        created_at=NOON,
        updated_at=NOON,
    )


LISTINGS: dict[str, tuple[list[Any], tables.Columns[Any], list[str]]] = {
    "runs": (RUNS, tables.RUNS, [RUN_ID, THREAD_ID]),
    "runs with inputs": (ASKED_RUNS, tables.RUNS, [RUN_ID, THREAD_ID]),
    "long runs": (LONG_RUNS, tables.RUNS, [LONG_RUN_ID, LONG_THREAD_ID]),
    "threads": ([_thread(THREAD_ID)], tables.THREADS, [THREAD_ID]),
    "long threads": ([_thread(LONG_THREAD_ID)], tables.THREADS, [LONG_THREAD_ID]),
    "approvals": ([CALL], tables.APPROVALS, [RUN_ID, "1.0"]),
    "agents": ([AGENT], tables.AGENTS, [LONG_AGENT]),
}


def _shown(renderable: RenderableType, width: int) -> str:
    console = Console(width=width, markup=False, highlight=False, emoji=False, color_system=None)
    with console.capture() as captured:
        console.print(renderable, crop=False)
    return captured.get()


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", LISTINGS)
def test_ids_are_whole(name: str, width: int) -> None:
    """An id is in one piece, on a line that holds nothing after it that could be taken for it."""
    items, columns, ids = LISTINGS[name]
    words = _shown(tables.Listing(items, columns), width).split()
    assert [id_ for id_ in ids if id_ not in words] == []


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", LISTINGS)
def test_everything_is_there(name: str, width: int) -> None:
    """Folding leaves nothing out, and only ids are wider than the screen."""
    items, columns, ids = LISTINGS[name]
    shown = _shown(tables.Listing(items, columns), width)
    cells = [cell(item) for item in items for cell in columns.facts.values()]
    words = [word for cell in cells for word in cell.split() if len(word) <= 16]
    assert [word for word in words if word not in shown.split()] == []
    assert shown.count("x") >= sum(cell.count("x") for cell in cells)
    wide = [line for line in shown.splitlines() if len(line) > width]
    assert [line for line in wide if not line.rstrip().endswith(tuple(ids))] == []


def test_a_table_where_it_fits() -> None:
    """Where there is room, a run takes a line."""
    assert _shown(tables.Listing(RUNS, tables.RUNS), 100).count("\n") == 1 + len(RUNS)


def test_a_fact_that_no_run_has() -> None:
    """It takes no column; once a run has it, it does."""
    assert "INPUT" not in _shown(tables.Listing(RUNS, tables.RUNS), 200)
    shown = _shown(tables.Listing([*RUNS, *ASKED_RUNS], tables.RUNS), 200)
    assert "INPUT" in shown
    assert "Where is A-1001?" in shown


def test_lines_where_it_does_not() -> None:
    """On a narrow screen a run begins with its id, and says what the columns would."""
    shown = _shown(tables.Listing(RUNS[:1], tables.RUNS), 40)
    first, thread, *facts = shown.splitlines()
    assert (first.strip(), thread.strip()) == (RUN_ID, f"thread {THREAD_ID}")
    assert " ".join(" ".join(facts).split()).startswith("status completed · turn 0 · created 2026")
    assert "waiting approval · turn 0" in _shown(tables.Listing(RUNS[1:], tables.RUNS), 40)


def test_nothing() -> None:
    """An empty listing is its titles."""
    assert _shown(tables.Listing([], tables.RUNS), 80).split() == [
        *tables.RUNS.ids,
        *tables.RUNS.facts,
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_single_run(width: int) -> None:
    """A run by itself shows its ids whole, too."""
    lines = [line.split() for line in _shown(tables.single(LONG_RUNS[0]), width).splitlines()]
    assert [LONG_RUN_ID] in lines
    assert ["thread", LONG_THREAD_ID] in lines
