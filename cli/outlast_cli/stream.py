"""The events of one run, over as many connections as it takes.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated

import httpx
from httpx_sse import EventSource
from pydantic import Field, TypeAdapter, ValidationError

from outlast.events import AnyEvent, AnyLiveEvent, Event, TerminalEvent
from outlast.protocol import Run, StartRun
from outlast_cli.client import Client, as_content, as_path
from outlast_cli.errors import CliError, Refused, Unreachable
from outlast_cli.patience import Patience

_MEDIA_TYPE = "text/event-stream"
_GIVE_UP_AFTER_S = 300.0
_EVENT: TypeAdapter[AnyEvent | AnyLiveEvent] = TypeAdapter(
    Annotated[AnyEvent | AnyLiveEvent, Field(discriminator="type")]
)


@dataclass(frozen=True)
class Start:
    """A run to start. The key makes it safe to ask again when the answer is lost."""

    agent: str
    body: StartRun
    key: str


@dataclass(frozen=True)
class Received:
    """An event as it came; parsed, unless only a newer client knows its type.

    `position` is what the server is told to go on after it.
    """

    data: str
    event: AnyEvent | AnyLiveEvent | None
    seq: int | None
    position: str | None = None


class RunStream:
    """Iterates over the run's events: committed ones once each, in order, up to the last.

    Iterating again after an interruption goes on after the last event that was taken.
    """

    def __init__(
        self, client: Client, source: Start | str, after: str = "0", *, children: bool = False
    ) -> None:
        """Prepare, and connect to nobody.

        Args:
            client: Where to connect.
            source: The run to start, or the id of one.
            after: The position of the last event that is known already; without children its
                number.
            children: Whether to have the events of runs that it calls, too.
        """
        self.children = children
        self.source = source
        self.run_id = source if isinstance(source, str) else None
        self.seen = after
        self.announce: Callable[[str], None] | None = None
        """Called once, with the run's id, as soon as the server has told it."""
        self._announced = after != "0"
        self._client = client
        self._ended = False

    def __iter__(self) -> Iterator[Received]:
        """Yield events, until the run has ended.

        Raises:
            Refused: The server said no, or did not mend for a long time.
            Unreachable: No server was there, or none came back.
        """
        patience = Patience(_GIVE_UP_AFTER_S)
        while not self._ended:
            failure: CliError = Unreachable("The stream of events broke off.")
            try:
                yield from self._connection(patience)
            except httpx.RequestError as error:
                failure = self._client.unreachable(error)
            except Refused as error:
                failure = error
            if not self._ended:
                patience.wait(failure)

    def _connection(self, patience: Patience) -> Iterator[Received]:
        with self._connect() as response:
            self._ended = response.status_code == HTTPStatus.NO_CONTENT
            if self._ended:
                return
            self._check(response)
            patience.answered()
            self.run_id = self.run_id or response.headers["location"].rpartition("/")[2]
            if self.announce and not self._announced:
                self._announced = True
                self.announce(self.run_id)
            for sent in EventSource(response).iter_sse():
                # A comment, or a field without an event, has no data.
                received = parse_event(sent.data) if sent.data else None
                if received and received.seq is not None:
                    position = sent.id if self.children else str(received.seq)
                    received = replace(received, position=position)
                if received and self._is_new(received):
                    patience.progressed()
                    yield received
                    self.take(received)
                    self._ended = self.is_end(received)
                if self._ended:
                    return

    def take(self, received: Received) -> None:
        """Note that an event was taken: whoever goes on does so after it."""
        self.seen = received.position or self.seen

    def is_end(self, received: Received) -> bool:
        """Tell whether an event is the last one of the run itself."""
        event = received.event
        return isinstance(event, TerminalEvent) and self.is_own(event)

    def is_own(self, event: AnyEvent | AnyLiveEvent) -> bool:
        """Tell whether an event is the run's itself, and not one's that it calls."""
        return not self.children or event.run_id == self.run_id

    def _is_new(self, received: Received) -> bool:
        # Positions of joined events have no order that is known here: the server keeps it.
        return self.children or received.seq is None or received.seq > int(self.seen)

    def _connect(self) -> AbstractContextManager[httpx.Response]:
        stream = self._client.http.stream
        if isinstance(self.source, Start) and self.run_id is None and self.children:
            # The answer to a start has its own events only.
            self.run_id = start_in_background(self._client, self.source).run_id
        if isinstance(self.source, Start) and self.run_id is None:
            headers = {"Accept": _MEDIA_TYPE, "Idempotency-Key": self.source.key}
            path = as_path("agents", self.source.agent, "runs")
            return stream("POST", path, content=as_content(self.source.body), headers=headers)
        headers = {"Accept": _MEDIA_TYPE, "Last-Event-ID": self.seen}
        path = as_path("runs", self.run_id or "", "events")
        params = {"children": "true"} if self.children else {}
        return stream("GET", path, headers=headers, params=params)

    def _check(self, response: httpx.Response) -> None:
        if not response.is_success:
            raise self._client.refused(response)
        named = self.run_id or "location" in response.headers
        if not (named and response.headers.get("content-type", "").startswith(_MEDIA_TYPE)):
            raise Refused(f"{self._client.url} sends no events.", response.status_code)


def start_in_background(client: Client, start: Start) -> Run:
    """Start a run, and return it without waiting for anything of it."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": start.key}
    return client.post(Run, "agents", start.agent, "runs", body=start.body, headers=headers)


def parse_event(data: str) -> Received:
    """Read an event as the server sends it.

    Raises:
        Refused: It is none.
    """
    try:
        event = _EVENT.validate_json(data)
    except ValidationError as error:
        if error.errors()[0]["type"] != "union_tag_invalid":
            raise Refused(f"The server sent an event that makes no sense: {error}", 200) from error
        return Received(data, None, json.loads(data).get("seq"))
    return Received(data, event, event.seq if isinstance(event, Event) else None)
