"""Many who watch runs at once, in one process that costs little itself."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from fakes.stack import TestStack

_ENDS = ("run.completed", "run.incomplete", "run.failed", "run.cancelled")


@dataclass
class Watcher:
    """One client: how far it is, and when it heard of the run's end."""

    run_id: str
    begun: bool = False
    heard_at: datetime | None = None


class Crowd:
    """Watchers of one app, one for each id in a list."""

    def __init__(self, app_url: str, run_ids: Sequence[str]) -> None:
        self.watchers = [Watcher(run_id) for run_id in run_ids]
        self._app_url = app_url
        self._all_begun = asyncio.Event()

    def delays_s(self, stack: TestStack) -> list[float]:
        """Return how long after its run's end, in Restate, each heard of it; the last at the end.

        Each has, once `watching` is left.
        """
        rows = stack.query(
            "SELECT target_service_key, completed_at FROM sys_invocation"
            " WHERE target_handler_name = 'run' AND completed_at IS NOT NULL"
        )
        ended_at = {
            row["target_service_key"].partition("/")[2]: datetime.fromisoformat(row["completed_at"])
            for row in rows
        }
        return sorted(
            (w.heard_at - ended_at[w.run_id]).total_seconds() for w in self.watchers if w.heard_at
        )

    @asynccontextmanager
    async def watching(self, begun_within_s: float) -> AsyncIterator[None]:
        """Have all of them watch, and go on once each has seen that its run has begun."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for watcher in self.watchers:
                tasks.create_task(self._watch(session, watcher))
            async with asyncio.timeout(begun_within_s):
                await self._all_begun.wait()
            yield

    async def _watch(self, session: aiohttp.ClientSession, watcher: Watcher) -> None:
        seq = 0
        while watcher.heard_at is None:
            headers = {"Last-Event-ID": str(seq)} if seq else {}
            url = f"{self._app_url}/runs/{watcher.run_id}/events"
            async with session.get(url, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                async for line in answer.content:
                    if line.startswith(b"id: "):
                        seq = int(line[4:])
                    elif line.startswith(b"data: "):
                        self._take(watcher, json.loads(line[6:]))

    def _take(self, watcher: Watcher, event: dict[str, Any]) -> None:
        if event["type"] == "turn.started":
            watcher.begun = True
            if all(each.begun for each in self.watchers):
                self._all_begun.set()
        if event["type"] in _ENDS:
            watcher.heard_at = datetime.now(UTC)


@asynccontextmanager
async def silent_watchers(app_url: str, run_id: str, count: int) -> AsyncIterator[None]:
    """Have so many watch a run that never read a byte."""
    address = urlsplit(app_url)
    request = f"GET /runs/{run_id}/events HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            made = socket.socket()
            sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            made.connect((address.hostname, address.port))
            made.sendall(request)
        yield
    finally:
        for made in sockets:
            made.close()
