"""What came of a run in memory, as tests ask for it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import JsonValue

from outlast.events import (
    AnyEvent,
    AnyLiveEvent,
    MessageCompleted,
    ToolCallCompleted,
    ToolCallStarted,
)
from outlast.protocol import Message, Part, Run, RunError, RunStatus, Usage
from outlast_worker.testing.scripted_model import ModelRequest

E = TypeVar("E")


@dataclass(frozen=True)
class CalledTool:
    """A tool call and what came of it.

    Attributes:
        arguments: Those that it ran with, a person's changes included.
        result: What the model reads: text, or JSON.
        parts: The same with its images and documents, if it has any.
        ran: False if a person refused it, or nobody decided in time.
    """

    call_id: str
    name: str
    arguments: dict[str, JsonValue]
    result: str
    is_error: bool
    ran: bool
    parts: Sequence[Part] | None = None

    def json(self) -> Any:
        """Return the result of a tool that returns more than text."""
        return json.loads(self.result)


@dataclass(frozen=True)
class RunResult:
    """A run at its end.

    Attributes:
        run: As the HTTP interface shows it.
        history: What was said on the thread before.
        events: The committed ones, in order.
        live: The previews: streamed text, and tools' progress.
        requests: What the model was asked, each time.
        children: The runs of agents that it called, in the order in which they ended.
        told: What the model reads of calls that failed, by their ids, where clients see less.
        left: What the run leaves to be read on its thread, if it is on one.
    """

    run: Run
    history: Sequence[Message]
    events: Sequence[AnyEvent]
    live: Sequence[AnyLiveEvent]
    requests: Sequence[ModelRequest]
    told: Mapping[str, str]
    children: Sequence["RunResult"] = ()
    left: Sequence[Message] | None = None

    @property
    def status(self) -> RunStatus:
        """`completed`, `incomplete` or `failed`."""
        return self.run.status

    @property
    def output(self) -> JsonValue:
        """The final answer."""
        return self.run.output

    @property
    def error(self) -> RunError | None:
        """Why the run failed, if it did."""
        return self.run.error

    @property
    def usage(self) -> Usage:
        """What it used; each scripted answer counts its words as tokens."""
        return self.run.usage

    @property
    def messages(self) -> list[Message]:
        """What was said in this run, its input included."""
        return self.run.messages or []

    @property
    def thread(self) -> list[Message]:
        """The whole conversation, or what is read of it: the `history` of the next run on it."""
        return list(self.left) if self.left else [*self.history, *self.messages]

    @property
    def tool_calls(self) -> list[CalledTool]:
        """All tool calls, in the order in which the model asked for them."""
        started = {event.call_id: event for event in self._of(ToolCallStarted)}
        completed = {event.call_id: event for event in self._of(ToolCallCompleted)}
        asked = [
            call for event in self._of(MessageCompleted) for call in event.message.tool_calls or ()
        ]
        return [
            CalledTool(
                call_id=call.call_id,
                name=call.name,
                arguments=(started.get(call.call_id) or call).arguments,
                result=self.told.get(call.call_id, completed[call.call_id].output),
                is_error=completed[call.call_id].is_error,
                ran=completed[call.call_id].started_at is not None,
                parts=completed[call.call_id].parts,
            )
            for call in asked
        ]

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


RunAgent = Callable[..., RunResult]
"""The type of the pytest fixture `run_agent`: `run_in_memory` for plain functions."""
