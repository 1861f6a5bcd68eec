"""Live events from where the worker serves them: for one worker."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import quote

import aiohttp

from outlast.live import STREAMS_PATH
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast_app.backoff import backoff_s
from outlast_app.live.source import Heard, LiveBatches, hear

_RECONNECT_S = (0.05, 5.0)
_KNOCK_S = (0.05, 0.3)
_CONNECT_S = 2
# The worker says something at least every 15 s.
_SILENCE_S = 40
_logger = get_logger()


class WorkerStreams:
    """Live events straight from the worker that executes the run: for one worker."""

    def __init__(self, session: aiohttp.ClientSession, url: str, secret: str | None) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._knocking: asyncio.Task[None] | None = None

    async def listen(self, ref: RunRef) -> LiveBatches:
        """Yield what comes from a run."""
        url = f"{self._url}{STREAMS_PATH}/{quote(ref.key, safe='')}"
        failures = 0
        while True:
            try:
                async with aclosing(self._read(url)) as batches:
                    async for heard in batches:
                        failures = 0
                        yield heard
            except (aiohttp.ClientError, TimeoutError) as error:
                _logger.debug("live_channel_lost", reason=repr(error))
            yield None
            await self._worker_answers()
            await asyncio.sleep(backoff_s(failures, *_RECONNECT_S))
            failures += 1

    async def _worker_answers(self) -> None:
        """Wait until the worker is there: one knocks, often, for all the runs that are watched."""
        if self._knocking is None or self._knocking.done():
            self._knocking = asyncio.create_task(self._knock())
        await asyncio.shield(self._knocking)

    async def _knock(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_CONNECT_S)
        failures = 0
        while True:
            try:
                async with self._session.get(f"{self._url}/healthz", timeout=timeout):
                    return
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(backoff_s(failures, *_KNOCK_S))
                failures += 1

    async def _read(self, url: str) -> AsyncGenerator[list[Heard]]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        async with self._session.get(url, headers=self._headers, timeout=timeout) as response:
            if response.status != 200:
                _logger.warning("live_channel_refused", status=response.status)
                return
            rest = b""
            async for data in response.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                yield hear(lines)
