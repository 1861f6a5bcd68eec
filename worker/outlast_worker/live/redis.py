"""Copies this process's live events to Redis Streams, where any app process finds them.

Redis being slow or away never holds up a run: what could not be written is made up for by a
snapshot, and committed events are in the run's state anyway.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from outlast.live import (
    REDIS_CONNECTIONS,
    Committed,
    LiveItem,
    Progress,
    Reset,
    Snapshot,
    redis_stream,
    write_line,
)
from outlast.logging import get_logger
from outlast_worker.live.hub import LiveHub

_KEPT_S = 3600
_RETRY_S = 0.5
_TIMEOUT_S = 5
# What is written without a model's answer, such as progress, begins nothing anew.
_MAX_ENTRIES = 20_000
_LONG = 5_000
_logger = get_logger()

# Numbers an attempt above all earlier ones, and drops what those streamed. One that had a number
# (ARGV[2]) gets another one, unless it has a successor by now.
_BEGIN = """
local last = redis.call('GET', KEYS[2])
if last and ARGV[2] ~= '' and last ~= ARGV[2] then return '' end
local attempt = math.max(tonumber(ARGV[1]), tonumber(last or '0') + 1)
local number = string.format('%.0f', attempt)
redis.call('SET', KEYS[2], number, 'EX', ARGV[3])
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
return number
"""

# Writes lines, unless they are those of an attempt (ARGV[1]) that has a successor.
_WRITE = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'lines', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""


def make_relay(url: str, prefix: str) -> "RedisRelay":
    """Make the relay to the Redis at this URL."""
    redis: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its types are incomplete
        url, socket_timeout=_TIMEOUT_S, max_connections=REDIS_CONNECTIONS
    )
    return RedisRelay(redis, prefix)


class RedisRelay:
    """Writes what the hub has to say of runs to their streams."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._begin: Any = redis.register_script(_BEGIN)
        self._write: Any = redis.register_script(_WRITE)

    async def run(self, hub: LiveHub, key: str, run_id: str) -> None:
        """Copy one run's events until cancelled."""
        stream = redis_stream(self._prefix, key)
        copy = _Copy(self._begin, self._write, [stream, f"{stream}:attempt"], run_id)
        while True:
            try:
                with hub.watch(key) as watcher:
                    while copy.entries <= _LONG:
                        await copy.write(await watcher.next())
                copy.entries = 0  # the next watcher begins with a snapshot
            except (RedisError, OSError) as error:
                _logger.warning("live_events_not_written", reason=repr(error))
                await asyncio.sleep(_RETRY_S)
            except Exception:  # a fault of ours: later events may come through
                _logger.exception("live_events_not_written")
                await asyncio.sleep(_RETRY_S)


class _Copy:
    """How far one run was copied."""

    def __init__(self, begin: Any, write: Any, keys: Sequence[str], run_id: str) -> None:
        self._begin = begin
        self._write = write
        self._keys = keys
        self._run_id = run_id
        self._here = 0
        """The attempt's number in this process."""
        self._number = ""
        """The attempt's number among all; none if it has a successor elsewhere."""
        self._committed = Committed(seq=0, turn=0)
        self.entries = 0
        """How much a new reader has to read."""

    async def write(self, items: Sequence[LiveItem]) -> None:
        lines: list[LiveItem] = []
        for item in items:
            if isinstance(item, Committed):
                self._committed = item
            if isinstance(item, Committed | Progress):
                lines.append(item)
                continue
            if isinstance(item, Reset | Snapshot):
                await self._count(item.attempt)
                # What was dropped now may have said this, and not to everybody.
                lines = [self._committed]
            if self._number:
                lines.append(item._replace(attempt=int(self._number)))
        if not await self._append(lines):
            # There is a successor: nobody may read this attempt's words any more.
            self._number = ""
            await self._append([x for x in lines if isinstance(x, Committed | Progress)])

    async def _append(self, lines: Sequence[LiveItem]) -> bool:
        if not lines:
            return True
        self.entries += 1
        text = b"\n".join(write_line(self._run_id, line) for line in lines)
        return bool(await self._write(self._keys, [self._number, text, _KEPT_S, _MAX_ENTRIES]))

    async def _count(self, here: int) -> None:
        before = self._number if here == self._here else ""
        if here == self._here and not before:
            return
        number = await self._begin(self._keys, [here, before, _KEPT_S])
        self._here, self.entries = here, 0
        self._number = number.decode() if isinstance(number, bytes) else str(number)
