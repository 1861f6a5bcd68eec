"""What the channel of live events carries from worker to app, one JSON line each."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from outlast.events import AnyLiveEvent
from outlast.protocol import Wire


class Committed(Wire):
    """The run has committed events up to this number: read them from its state.

    `turn` is the last one whose message is among them: previews of it are outdated.
    """

    type: Literal["committed"] = "committed"
    seq: int
    turn: int


LiveItem = Annotated[AnyLiveEvent | Committed, Field(discriminator="type")]
LIVE_ITEM: TypeAdapter[LiveItem] = TypeAdapter(LiveItem)

STREAMS_PATH = "/streams"
# Each stream that is watched holds one while it waits; redis-py's own limit is 100.
REDIS_CONNECTIONS = 2**31 - 1


def redis_stream(prefix: str, key: str) -> str:
    """Return the Redis Stream of a run's live events."""
    return f"outlast:{prefix}live:{key}"
