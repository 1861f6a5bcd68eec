"""A server that means harm has its calls fail, and costs the worker little."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import structlog

from fakes.mcp_servers import Notes
from fakes.mcp_worker import Worker
from fakes.waiting import wait_until
from outlast import McpServer, ToolError
from outlast_worker.mcp import connection, meter, stdio
from outlast_worker.mcp.meter import Meter

_FILE = Path(__file__).parents[2] / "fakes" / "mcp_hostile_server.py"


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.fixture
async def worker(notes: Notes) -> AsyncIterator[Worker]:
    env = {"MCP_NOTES": str(notes.path), "TOKEN": "t0ken-4711"}
    command, timeout = [sys.executable, str(_FILE)], timedelta(seconds=30)
    worker = Worker(McpServer("hostile", command=command, env=env, timeout=timeout))
    yield worker
    await worker.tools.close()


async def test_endless_pages(worker: Worker) -> None:
    """Pages are read until there is more than a model can be told of."""
    assert 10 <= len(await worker.list()) < 20


@pytest.mark.parametrize("tool", ["shout", "stream"])
async def test_endless_messages(worker: Worker, tool: str) -> None:
    """What is larger than any result is not taken in: the session ends, and so does the server."""
    with pytest.raises(ToolError, match="went away"):
        await worker.call(tool)


async def test_a_structure_that_can_not_be_checked(worker: Worker) -> None:
    """The worker checks none: that would hold up all that it does."""
    assert "done" in await worker.call("riddle")


async def test_a_flood(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody asked for is read as slowly as may be; what was asked for arrives."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(meter, "_BURST_BYTES", 1_000_000)
    monkeypatch.setattr(connection, "Meter", partial(Meter, sleep=sleep))
    assert await worker.call("flood") == "done"
    assert len(waited) > 500


async def test_a_server_that_writes_into_the_log(worker: Worker) -> None:
    """So many lines, without what is secret."""
    with structlog.testing.capture_logs() as logs:
        assert await worker.call("mumble") == "done"
    said = [entry for entry in logs if entry["event"] == "mcp_server_said"]
    assert 0 < len(said) < 100
    assert not [entry for entry in said if "4711" in entry["text"]]


async def test_a_server_that_stays(
    worker: Worker, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended, and what it has started."""
    monkeypatch.setattr(stdio, "_END_GRACE_S", 0.1)
    await worker.call("stay")
    await worker.tools.close()

    def are_gone() -> bool:
        return not any(_runs(int(pid)) for pid in notes.read())

    assert len(notes.read()) == 2
    await asyncio.to_thread(wait_until, are_gone, "both to end")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended may not have been waited for by whoever adopted it.
    return " Z " not in Path(f"/proc/{pid}/stat").read_text()
