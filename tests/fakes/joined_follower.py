"""A client that follows a run and all below it in one stream, and reconnects where that breaks."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

from fakes.api import Api
from fakes.waiting import wait_until

_ENDS = ("run.completed", "run.incomplete", "run.failed", "run.cancelled")
_LIVE = ("message.reset", "message.delta", "message.snapshot")
_RETRY_S = 0.05


class JoinedFollower:
    """Follows in a thread, over any number of connections, by nothing but the events' ids."""

    def __init__(self, url: str, run_id: str, position: str = "") -> None:
        self._url = f"{url}/runs/{run_id}/events?children=true"
        self._run_id = run_id
        self._position = position
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._stopped = False
        self.events: list[dict[str, Any]] = []
        """All events, in the order in which they came; those that are committed with their `id`."""
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped = True
        self._thread.join(10)

    @property
    def committed(self) -> list[dict[str, Any]]:
        return [event for event in self.events if "seq" in event]

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """Wait for an event with these fields."""
        return wait_until(
            lambda: next((e for e in self.events if wanted.items() <= e.items()), None),
            f"{wanted} among {[(e['run_id'], e['type']) for e in self.events]}",
        )

    def wait_for_text(self, run_id: str, text: str) -> None:
        """Wait until what is shown of a run's answer is this."""
        wait_until(lambda: self._text_of(run_id) == text, f"the text {text!r} of {run_id}")

    def _text_of(self, run_id: str) -> str:
        shown = ""
        for event in list(self.events):
            if event["run_id"] == run_id and event["type"] in _LIVE:
                shown = event.get("text", "") if event["type"] != "message.delta" else shown
                shown += event["text"] if event["type"] == "message.delta" else ""
        return shown

    def wait_for_end(self) -> None:
        """Wait until the stream's own run has ended."""
        wait_until(lambda: self._has_ended, "the end of the run", 60)

    @property
    def _has_ended(self) -> bool:
        return any(e["type"] in _ENDS and e["run_id"] == self._run_id for e in self.committed)

    def _follow(self) -> None:
        while not (self._stopped or self._has_ended):
            self.connections += 1
            try:
                self._read()
            except httpx.TransportError:
                time.sleep(_RETRY_S)

    def _read(self) -> None:
        headers = {"Last-Event-ID": self._position} if self._position else {}
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream("GET", self._url, headers=headers) as stream,
        ):
            if stream.status_code != 200:
                time.sleep(_RETRY_S)
                return
            fields: dict[str, str] = {}
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                    continue
                # As the format wants it: what breaks off before the empty line never came.
                if "data" in fields:
                    self._position = fields.get("id", self._position)
                    event = json.loads(fields["data"])
                    self.events.append({**event, "id": fields["id"]} if "id" in fields else event)
                fields = {}
                if self._stopped:
                    return


def assert_joined(committed: Sequence[Mapping[str, Any]], run_ids: Sequence[str], api: Api) -> None:
    """Each committed event of these runs, and no other, came once and where it may come."""
    bare = [{name: each[name] for name in each if name != "id"} for each in committed]
    for run_id in run_ids:
        assert [each for each in bare if each["run_id"] == run_id] == api.events(run_id), run_id
    assert {each["run_id"] for each in bare} == set(run_ids)
    started: dict[tuple[str, str], str] = {}
    ended: set[str] = set()
    for each in bare:
        if each["type"] == "child.started":
            started[each["run_id"], each["call_id"]] = each["child_run_id"]
        elif each["type"] == "tool_call.completed":
            child = started.pop((each["run_id"], each["call_id"]), None)
            assert child is None or child in ended
        elif each["type"] in _ENDS:
            ended.add(each["run_id"])
