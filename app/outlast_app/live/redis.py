"""Live events from Redis Streams, where the workers write them: for several workers."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from outlast.events import (
    MessageDelta,
    MessageReset,
    MessageSnapshot,
    ReasoningDelta,
    ToolCallProgress,
)
from outlast.live import Committed, LiveItem, redis_stream
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast_app.live.source import LiveBatches, items_of

_BLOCK_MS = 15_000
SILENCE_S = 20
"""After this long without an answer Redis counts as lost: it answers after 15 s at the latest."""
_RETRY_S = 0.5
_logger = get_logger()


class RedisStreams:
    """Live events of runs, whichever worker executes them."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def listen(self, ref: RunRef) -> LiveBatches:
        """Yield what comes from a run."""
        stream = redis_stream(self._prefix, ref.key)
        while True:
            try:
                last, items = _read(await self._redis.xrange(stream))
                yield _folded(items)
                while True:
                    found = await self._redis.xread({stream: last or "0-0"}, block=_BLOCK_MS)
                    for _, entries in cast("list[tuple[Any, Any]]", found):
                        newest, items = _read(entries)
                        last = newest or last
                        yield items
            except (RedisError, OSError) as error:
                _logger.warning("live_channel_lost", reason=repr(error))
            yield None
            await asyncio.sleep(_RETRY_S)


def _read(entries: Any) -> tuple[str, list[LiveItem]]:
    """Return the id of the last entry, and what the entries say."""
    last, items = "", list[LiveItem]()
    for entry_id, fields in entries:
        last = entry_id.decode()
        items += items_of(fields[b"lines"].splitlines())
    return last, items


def _folded(items: Iterable[LiveItem]) -> list[LiveItem]:
    """Return what a new reader has to know of all that was written."""
    committed: Committed | None = None
    answer: MessageSnapshot | None = None
    deltas: list[MessageDelta | ReasoningDelta] = []
    progress: dict[str, ToolCallProgress] = {}
    for item in items:
        match item:
            case Committed():
                committed = item
            case ToolCallProgress(call_id=call_id):
                progress[call_id] = item
            case MessageReset(run_id=run_id, turn=turn, attempt=attempt):
                answer = MessageSnapshot(
                    run_id=run_id, turn=turn, attempt=attempt, n=0, text="", reasoning=""
                )
                deltas = []
            case MessageSnapshot():
                answer, deltas = item, []
            case MessageDelta() | ReasoningDelta():
                deltas.append(item)
    if committed and answer and answer.turn <= committed.turn:
        answer = None
    known = [committed, answer and _extended(answer, deltas), *progress.values()]
    return [item for item in known if item]


def _extended(
    answer: MessageSnapshot, deltas: Sequence[MessageDelta | ReasoningDelta]
) -> MessageSnapshot:
    text = [delta.text for delta in deltas if isinstance(delta, MessageDelta)]
    reasoning = [delta.text for delta in deltas if isinstance(delta, ReasoningDelta)]
    return answer.model_copy(
        update={
            "n": answer.n + len(deltas),
            "text": "".join([answer.text, *text]),
            "reasoning": "".join([answer.reasoning, *reasoning]),
        }
    )
