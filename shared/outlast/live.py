"""What the channel of live events carries from worker to app, one JSON line each.

A line is the event as clients get it, so that the app passes it on as it is; only `Committed` is
for the app alone. There is a line for each piece of each answer: they are written and read by
hand. `outlast.events` describes them to clients.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

Kind = Literal["text", "reasoning"]
"""What a piece of an answer is."""


class Committed(NamedTuple):
    """The run has committed events up to this number: read them from its state.

    `turn` is the last one whose message is among them: previews of it are outdated. `ending`: the
    last of them is an answer, or the end; most likely the run ends in a moment.
    """

    seq: int
    turn: int
    ending: bool = False

    type = "committed"


class Reset(NamedTuple):
    """A `message.reset`."""

    turn: int
    attempt: int

    type = "message.reset"


class Delta(NamedTuple):
    """A `message.delta` or a `reasoning.delta`."""

    kind: Kind
    turn: int
    attempt: int
    n: int
    text: str

    @property
    def type(self) -> str:
        """The event's type."""
        return "message.delta" if self.kind == "text" else "reasoning.delta"


class Snapshot(NamedTuple):
    """A `message.snapshot`."""

    turn: int
    attempt: int
    n: int
    text: str
    reasoning: str

    type = "message.snapshot"


class Progress(NamedTuple):
    """A `tool_call.progress`."""

    call_id: str
    done: float
    total: float | None
    message: str | None

    type = "tool_call.progress"


LiveItem = Committed | Reset | Delta | Snapshot | Progress

STREAMS_PATH = "/streams"
# Each run that is watched holds one while it waits; redis-py's own limit is 100.
REDIS_CONNECTIONS = 2**31 - 1


def redis_stream(prefix: str, key: str) -> str:
    """Return the Redis Stream of a run's live events."""
    return f"outlast:{prefix}live:{key}"


def write_line(run_id: str, item: LiveItem) -> bytes:
    """Write what happened in a run as a line, without its end."""
    fields: dict[str, Any] = {"run_id": run_id, "type": item.type, **item._asdict()}
    fields.pop("kind", None)
    return orjson.dumps(fields)


def read_line(line: bytes) -> LiveItem:
    """Read a line.

    Raises:
        ValueError: Whoever wrote it is of another version, and says what is not known here.
    """
    fields: Mapping[str, Any] = orjson.loads(line)
    try:
        match fields["type"]:
            case "message.delta":
                return _delta("text", fields)
            case "reasoning.delta":
                return _delta("reasoning", fields)
            case "committed":
                return Committed(fields["seq"], fields["turn"], fields.get("ending", False))
            case "message.reset":
                return Reset(fields["turn"], fields["attempt"])
            case "message.snapshot":
                return Snapshot(*(fields[name] for name in Snapshot._fields))
            case "tool_call.progress":
                return Progress(*(fields[name] for name in Progress._fields))
            case kind:
                raise ValueError(f"nobody knows the live event {kind}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a live event: {error!r}") from error


def _delta(kind: Kind, fields: Mapping[str, Any]) -> Delta:
    return Delta(kind, fields["turn"], fields["attempt"], fields["n"], fields["text"])
