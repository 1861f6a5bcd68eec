"""Server-sent events as they come over the wire, and what has to hold for them and for messages."""

import json
from collections.abc import Iterable, Iterator
from typing import Any


def parse_events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read server-sent events; a committed one has its seq as its id, a live one has none."""
    event: dict[str, Any] = {}
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "data":
            event |= json.loads(value)
        elif field == "id":
            event["id"] = value
        elif not line and event:
            seq = event.get("seq")
            assert event.pop("id", None) == (None if seq is None else str(seq))
            yield event
            event = {}


def assert_events_are_whole(events: list[dict[str, Any]], run: dict[str, Any]) -> None:
    """Committed events come once, in order, without a gap, and end as the run did."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == f"run.{run['status']}"
    texts = [m["content"] for m in run["messages"] or [] if m["role"] == "assistant"]
    completed = [e["message"]["content"] for e in events if e["type"] == "message.completed"]
    assert completed == texts


def assert_valid_conversation(messages: list[dict[str, Any]]) -> None:
    """Each tool call has exactly one result, right after the message that asked for it."""
    open_calls: list[tuple[str, str]] = []
    for message in messages:
        if message["role"] == "tool":
            assert (message["run_id"], message["call_id"]) in open_calls, message
            open_calls.remove((message["run_id"], message["call_id"]))
            continue
        assert not open_calls, f"no result for {open_calls}"
        open_calls = [(message["run_id"], c["call_id"]) for c in message["tool_calls"] or []]
    assert not open_calls, f"no result for {open_calls}"
    ids = [message["id"] for message in messages]
    assert len(ids) == len(set(ids))
