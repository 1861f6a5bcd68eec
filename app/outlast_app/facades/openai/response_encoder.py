"""A segment of a run as a response: its events, and the response itself.

Numbers, indexes and ids follow from committed events, so that a stream that broke goes on at any
process. What depends on the moment is text alone, and that has its place in the numbers
(`outlast_app.facades.positions`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import JsonValue

from outlast.events import (
    ApprovalRequested,
    MessageCompleted,
    ReadEvent,
    RunQueued,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
)
from outlast_app.facades.called import CalledApproval
from outlast_app.facades.ids import name_of_asked, name_of_call
from outlast_app.facades.items import Committed, Item, Retract, Text
from outlast_app.facades.openai.content import written
from outlast_app.facades.openai.response_line import REST, EventLine
from outlast_app.facades.openai.response_messages import Messages
from outlast_app.facades.openai.response_object import Facts, function_item, response_of
from outlast_app.facades.positions import Numbers, turn_of
from outlast_app.facades.segments import LoggedCall, RunLog

_ENDINGS: Mapping[str, str] = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
}


class ResponseEncoder:
    """Says what a segment of a run is, in events of OpenAI's API."""

    shows_called: ClassVar[bool] = True

    def __init__(self, facts: Facts, after: int = -1) -> None:
        """Begin before the run's first event.

        Args:
            facts: What is known of the response.
            after: Nothing is said up to this number, which the client has.
        """
        self._facts = facts
        self._log = RunLog(takes_approvals=True)
        self._line = EventLine(after)
        self._messages = Messages(facts, self._line)
        self._places: dict[str, int] = {}
        """Where the items are of calls that go on."""
        self._has_begun = self._has_started = self._finished = False

    @property
    def is_over(self) -> bool:
        """Whether all was said."""
        return self._finished

    def response(self) -> dict[str, Any]:
        """Return the response as it stands."""
        items = enumerate(self._line.items)
        output = [item for index, item in items if index not in self._messages.void]
        return response_of(self._facts, self._log, output, has_started=self._has_started)

    def take(self, item: Item) -> Iterator[bytes]:
        """Return the events that follow from an item."""
        if self._finished:
            return
        match item:
            case Text(turn, "text", delta) if self._is_mine:
                yield from self._messages.write(turn, delta)
            case Retract(turn, chars) if chars and self._is_mine:
                yield from self._messages.take_back(turn, chars)
            case Committed(event):
                self._log.take(event)
                if self._is_mine:
                    yield from self._hear(event)
                    if self._log.is_over:
                        yield from self._finish(item.called)
            case _:
                pass

    def end(self) -> Iterator[bytes]:
        """Return nothing: a client goes on after the last number that it has."""
        yield from ()

    @property
    def _is_mine(self) -> bool:
        return self._log.segment == self._facts.segment

    def _hear(self, event: ReadEvent) -> Iterator[bytes]:
        self._line.turn = max(self._line.turn, self._log.turn)
        yield from self._begin(event)
        yield from self._messages.settle(event)
        match event:
            case MessageCompleted():
                yield from self._messages.complete(event)
            case ToolCallStarted():
                yield from self._start_call(self._log.calls[event.call_id])
            case ToolCallCompleted():
                yield from self._end_call(self._log.calls[event.call_id], event)
            case ToolCallRequested():
                yield from self._request(self._log.calls[event.call_id])
            case ApprovalRequested() if event.reason == "approval":
                yield from self._ask(event)
            case _:
                pass

    def _begin(self, event: ReadEvent) -> Iterator[bytes]:
        is_queued = isinstance(event, RunQueued)
        if not self._has_begun:
            self._has_begun, self._has_started = True, not is_queued
            yield from self._say_response(0, "response.created")
            kind = "response.queued" if is_queued else "response.in_progress"
            yield from self._say_response(1, kind)
        elif not (self._has_started or is_queued):
            self._has_started = True
            yield from self._say_response(Numbers.settled(0, REST), "response.in_progress")

    def _finish(self, called: Sequence[CalledApproval]) -> Iterator[bytes]:
        yield from self._messages.close()  # what was never committed
        for call_id in [*self._places]:
            yield from self._leave(self._log.calls[call_id])
        if not self._log.ended:
            for call in self._log.open_calls:  # those of segments before, too
                yield from self._request(call)
            for asked in self._log.open_decisions:
                yield from self._ask(asked)
            for below in called:
                if below.is_open and below.is_yes_or_no:
                    yield from self._show_request(below.key, below.name, below.arguments)
        self._finished = True
        kind = _ENDINGS.get(self.response()["status"], "response.failed")
        # A client may have seen text of a turn that was never committed: it hears of the end, too.
        turn = max(self._line.turn, turn_of(self._line.after))
        yield from self._say_response(self._line.count(turn), kind)

    def _say_response(self, number: int, kind: str) -> Iterator[bytes]:
        if self._line.says(number):
            yield from self._line.say(number, kind, response=self.response())

    def _start_call(self, call: LoggedCall) -> Iterator[bytes]:
        line, item = self._line, self._mcp_call(call)
        index = self._places[call.call_id] = len(line.items)
        yield from line.add({**item, "arguments": ""}, line.count())
        place = {"item_id": item["id"], "output_index": index}
        yield from line.say(line.count(), "response.mcp_call.in_progress", **place)
        kind, arguments = "response.mcp_call_arguments.done", item["arguments"]
        yield from line.say(line.count(), kind, **place, arguments=arguments)
        line.items[index] = item

    def _end_call(self, call: LoggedCall, event: ToolCallCompleted) -> Iterator[bytes]:
        if call.is_clients:
            return
        if call.call_id not in self._places:  # it began in a segment before, or never did
            yield from self._start_call(call)
        index = self._places.pop(call.call_id)
        item = self._mcp_call(call)
        if event.is_error:
            error = {"type": "mcp_tool_execution_error", "content": event.output}
            item |= {"status": "failed", "error": error}
        else:
            item |= {"status": "completed", "output": event.output}
        kind = f"response.mcp_call.{item['status']}"
        place = {"item_id": item["id"], "output_index": index}
        yield from self._line.say(self._line.count(), kind, **place)
        yield from self._line.finish(index, item)

    def _leave(self, call: LoggedCall) -> Iterator[bytes]:
        """Say that a call goes on, or never ended, when the segment has."""
        index = self._places.pop(call.call_id)
        yield from self._line.finish(index, {**self._mcp_call(call), "status": "incomplete"})

    def _request(self, call: LoggedCall) -> Iterator[bytes]:
        line, run_id = self._line, self._facts.run_id
        item_id = name_of_call("fc", run_id, call.call_id)
        if self._has(item_id):
            return
        call_id = name_of_call("call", run_id, call.call_id)
        item = function_item(item_id, call_id, call.name, call.arguments)
        index, text = len(line.items), item["arguments"]
        begun = {**item, "arguments": "", "status": "in_progress"}
        yield from line.add(begun, line.count())
        place = {"item_id": item_id, "output_index": index}
        kind = "response.function_call_arguments"
        yield from line.say(line.count(), f"{kind}.delta", **place, delta=text)
        yield from line.say(line.count(), f"{kind}.done", **place, arguments=text)
        yield from line.finish(index, item)

    def _ask(self, asked: ApprovalRequested) -> Iterator[bytes]:
        approval_id = asked.approval_id or asked.call_id or ""
        yield from self._show_request(approval_id, asked.name, asked.arguments)

    def _show_request(
        self, key: str, name: str, arguments: Mapping[str, JsonValue]
    ) -> Iterator[bytes]:
        """Ask a client to decide; also what a run below asks is asked by the server it knows."""
        item = {
            "id": name_of_asked("mcpr", self._facts.run_id, key),
            "type": "mcp_approval_request",
            "server_label": self._facts.agent,
            "name": name,
            "arguments": written(arguments),
        }
        if self._has(item["id"]):
            return
        index = len(self._line.items)
        yield from self._line.add(item, self._line.count())
        yield from self._line.finish(index, item)

    def _mcp_call(self, call: LoggedCall) -> dict[str, Any]:
        asked = call.approval and name_of_call("mcpr", self._facts.run_id, call.call_id)
        return {
            "id": name_of_call("mcp", self._facts.run_id, call.call_id),
            "type": "mcp_call",
            "server_label": self._facts.agent,
            "name": call.name,
            "arguments": written(call.arguments),
            "status": "in_progress",
            "approval_request_id": asked,
            "output": None,
            "error": None,
        }

    def _has(self, item_id: str) -> bool:
        return any(item["id"] == item_id for item in self._line.items)
