"""The tool calls of a message: what is called, what a person is asked, what comes of it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json

from outlast.events import (
    ApprovalRequested,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
)
from outlast_app.facades.called import CalledApproval
from outlast_app.facades.ids import name_of_asked
from outlast_app.facades.items import Committed, Progress
from outlast_app.facades.segments import LoggedCall, RunLog
from outlast_app.facades.streams import frame

UNDER_WAY = "Still under way."
"""The output of a call that goes on, while the client is asked for decisions."""


class ShownCalls:
    """Says of one run's calls what its client is to show, and keeps what it shows already."""

    def __init__(self, run_id: str) -> None:
        """Begin before the run's first event."""
        self._run_id = run_id
        self._shown: dict[str, Mapping[str, JsonValue]] = {}
        """The run's calls that were told, with their arguments."""
        self._had: set[str] = set()
        """Those that the message had before; and, by their keys, what runs below ask."""
        self._ended: set[str] = set()
        """Of the latter, those of which the message says how they ended."""

    def note(self, item: Committed) -> None:
        """Note what the message has from before that which is told."""
        for called in item.called:
            if called.is_yes_or_no and called.is_open:
                self._had.add(called.key)
            elif called.is_yes_or_no:
                self._ended.add(called.key)
        match item.event:
            case ToolCallStarted() | ToolCallRequested() | ToolCallCompleted():
                self._had.add(item.event.call_id)
            case ApprovalRequested(call_id=str(call_id), reason="approval"):
                self._had.add(call_id)
            case _:
                pass

    def take(self, item: Committed, log: RunLog) -> Iterator[bytes]:
        """Return the chunks that follow from an event, which the log has already."""
        for called in item.called:
            if called.is_yes_or_no:
                yield from self._ask_of(called)
                if not called.is_asked:
                    yield from self._end_of(called)
        match event := item.event:
            case ToolCallStarted(call_id=call_id) if event.arguments != self._shown.get(call_id):
                yield self._input(call_id, event.name, event.arguments)
            case ToolCallRequested():
                yield self._input(event.call_id, event.name, event.arguments, is_own=False)
            case ApprovalRequested(call_id=str(call_id), reason="approval"):
                yield self._input(call_id, event.name, event.arguments)
                yield self._request(call_id)
            case ToolCallCompleted():
                yield from self._complete(event, log.calls[event.call_id])
            case _:
                pass

    def tell(self, progress: Progress) -> Iterator[bytes]:
        """Return how far a tool says to be."""
        if progress.call_id in self._shown:
            said = {"done": progress.done, "total": progress.total, "message": progress.message}
            output = {name: value for name, value in said.items() if value is not None}
            yield self._output(progress.call_id, output, preliminary=True)

    def settle(self, log: RunLog) -> Iterator[bytes]:
        """Have calls that go on look as if they had ended, where decisions are asked for.

        The SDK sends those by itself once nothing of the step is left open, and means all calls.
        """
        for call in log.calls.values() if log.decisions else ():
            if call.started and not call.completed and self._has(call.call_id):
                yield self._output(call.call_id, UNDER_WAY)

    def _ask_of(self, called: CalledApproval) -> Iterator[bytes]:
        """Ask what a run below asks, once in a message: as for a call of the run's own."""
        if called.is_open and called.key not in self._had:
            self._had.add(called.key)
            yield self._show(called.key, called.name, called.arguments)
            if called.is_asked:
                yield self._request(called.key)

    def _end_of(self, called: CalledApproval) -> Iterator[bytes]:
        if called.key not in self._had or called.key in self._ended:
            return
        self._ended.add(called.key)
        if called.is_refused:
            yield chunk("tool-output-denied", toolCallId=self._name(called.key))
        elif called.is_given_up:
            name = self._name(called.key)
            yield chunk("tool-output-error", toolCallId=name, errorText=called.end)
        else:
            yield self._output(called.key, called.end)

    def _complete(self, done: ToolCallCompleted, call: LoggedCall) -> Iterator[bytes]:
        if not self._has(done.call_id):
            # It never started: its arguments were wrong, say. Yet the model asked for it.
            yield self._input(done.call_id, done.name, call.arguments)
        name = self._name(done.call_id)
        if call.resolved and call.resolved.action in {"reject", "expired"}:
            yield chunk("tool-output-denied", toolCallId=name)
        elif done.is_error:
            yield chunk("tool-output-error", toolCallId=name, errorText=done.output)
        else:
            output = output_of(done)
            if call.is_clients and isinstance(output, str):
                output = client_output(output)
            yield self._output(done.call_id, output)

    def _has(self, call_id: str) -> bool:
        """Tell whether the message shows a call."""
        return call_id in self._shown or call_id in self._had

    def _input(
        self, call_id: str, name: str, arguments: Mapping[str, JsonValue], *, is_own: bool = True
    ) -> bytes:
        self._shown[call_id] = arguments
        return self._show(call_id, name, arguments, is_own=is_own)

    def _show(
        self, key: str, name: str, arguments: Mapping[str, JsonValue], *, is_own: bool = True
    ) -> bytes:
        """Show a call. Of the agent's own the client is told that it has nothing to do."""
        return chunk(
            "tool-input-available",
            toolCallId=self._name(key),
            toolName=name,
            input=arguments,
            **({"dynamic": True, "providerExecuted": True} if is_own else {}),
        )

    def _request(self, key: str) -> bytes:
        name = self._name(key)
        return chunk("tool-approval-request", approvalId=name, toolCallId=name)

    def _output(self, key: str, output: Any, **more: Any) -> bytes:
        return chunk("tool-output-available", toolCallId=self._name(key), output=output, **more)

    def _name(self, key: str) -> str:
        return name_of_asked("call", self._run_id, key)


def output_of(done: ToolCallCompleted) -> Any:
    """Return what a tool's part of a message has as its output: a text, or parts."""
    return [part.model_dump(exclude_none=True) for part in done.parts or ()] or done.output


def client_output(text: str) -> Any:
    """Return what a client had sent as its tool's output: objects and lists went as JSON."""
    if text.startswith(("{", "[")):
        with suppress(ValueError):
            return from_json(text)
    return text


def chunk(kind: str, **fields: Any) -> bytes:
    """Write one chunk."""
    return frame({"type": kind, **fields})
