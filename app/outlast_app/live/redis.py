"""Live events from Redis Streams, where the workers write them: for several workers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from outlast.live import REDIS_CONNECTIONS, redis_stream
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast_app.backoff import backoff_s
from outlast_app.live.source import Heard, LiveBatches, hear

_BLOCK_MS = 15_000
_CONNECT_S = 2
# After this long without an answer Redis counts as lost: it answers after 15 s at the latest.
_SILENCE_S = 20
_RETRY_S = (0.2, 2.0)
_logger = get_logger()


@asynccontextmanager
async def open_streams(url: str, prefix: str) -> AsyncGenerator["RedisStreams"]:
    """Open the streams of the Redis at this URL."""
    redis: Redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # its types are incomplete
        url,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=_SILENCE_S,
        max_connections=REDIS_CONNECTIONS,
    )
    async with redis:
        yield RedisStreams(redis, prefix)


class RedisStreams:
    """Live events of runs, whichever worker executes them."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def listen(self, ref: RunRef) -> LiveBatches:
        """Yield what comes from a run."""
        stream, failures = redis_stream(self._prefix, ref.key), 0
        while True:
            try:
                last, heard = _read(await self._redis.xrange(stream))
                failures = 0
                yield heard
                while True:
                    found = await self._redis.xread({stream: last or "0-0"}, block=_BLOCK_MS)
                    for _, entries in cast("list[tuple[Any, Any]]", found):
                        newest, heard = _read(entries)
                        last = newest or last
                        yield heard
            except (RedisError, OSError) as error:
                _logger.warning("live_channel_lost", reason=repr(error))
            yield None
            # There is one for each run that is watched.
            await asyncio.sleep(backoff_s(failures, *_RETRY_S))
            failures += 1


def _read(entries: Any) -> tuple[str, list[Heard]]:
    """Return the id of the last entry, and what the entries say."""
    last, heard = "", list[Heard]()
    for entry_id, fields in entries:
        last = entry_id.decode()
        heard += hear(fields[b"lines"].splitlines())
    return last, heard
