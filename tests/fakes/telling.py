"""Events of a run as tests of protocols tell them, numbered in the order in which they are made."""

from typing import Any

from fakes.records import NOON
from fakes.watching import RUN_ID
from outlast.events import (
    AnyEvent,
    ApprovalRequested,
    ApprovalResolved,
    ChildStarted,
    MessageCompleted,
    RunQueued,
    RunStarted,
    RunWaiting,
    SteerReceived,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
    TurnStarted,
    terminal_event,
)
from outlast.protocol import Awaited, Message, Run, RunError, RunStatus, ToolCall, Usage

USAGE = Usage(
    input_tokens=30,
    output_tokens=20,
    cached_tokens=10,
    reasoning_tokens=5,
    model_calls=1,
    cost_usd=0.01,
)


class Story:
    """What a run commits."""

    def __init__(self, run_id: str = RUN_ID) -> None:
        self.run_id = run_id
        self.events: list[AnyEvent] = []
        self._segment = 1
        self._open: dict[str, str] = {}

    def add(self, kind: type[AnyEvent], **fields: Any) -> "Story":
        event = kind(run_id=self.run_id, seq=len(self.events) + 1, at=NOON, **fields)
        self.events.append(event)
        return self

    def started(self, *, queued: bool = False) -> "Story":
        if queued:
            self.add(RunQueued)
        return self.add(RunStarted)

    def turn(
        self, turn: int, text: str = "", *calls: str, finish_reason: str = "stop", **arguments: Any
    ) -> "Story":
        """Tell a turn's answer, which asks for these tools."""
        asked = [
            ToolCall(call_id=f"{turn}.{index}", name=name, arguments=arguments)
            for index, name in enumerate(calls)
        ]
        said = Message(
            id=f"{self.run_id}:{turn}",
            role="assistant",
            content=text,
            tool_calls=asked or None,
            run_id=self.run_id,
            created_at=NOON,
        )
        self.add(TurnStarted, turn=turn)
        return self.add(
            MessageCompleted,
            turn=turn,
            message=said,
            usage=USAGE,
            model="m",
            finish_reason="tool_calls" if calls else finish_reason,
        )

    def begun(self, call_id: str, name: str, **arguments: Any) -> "Story":
        turn = int(call_id.partition(".")[0])
        return self.add(ToolCallStarted, turn=turn, call_id=call_id, name=name, arguments=arguments)

    def done(
        self, call_id: str, name: str, output: str = "ok", *, is_error: bool = False
    ) -> "Story":
        self._open.pop(call_id, None)
        return self.add(
            ToolCallCompleted,
            call_id=call_id,
            name=name,
            is_error=is_error,
            output=output,
            duration_ms=5,
        )

    def asked(self, call_id: str, name: str, reason: str = "approval", **arguments: Any) -> "Story":
        """Tell that a person is asked."""
        self._open[call_id] = "approval"
        return self.add(
            ApprovalRequested, call_id=call_id, name=name, arguments=arguments, reason=reason
        )

    def decided(self, call_id: str, action: str, **fields: Any) -> "Story":
        self._open.pop(call_id, None)
        return self.add(ApprovalResolved, call_id=call_id, action=action, **fields)

    def requested(self, call_id: str, name: str, **arguments: Any) -> "Story":
        """Tell that a client is to run a tool."""
        self._open[call_id] = "client"
        turn = int(call_id.partition(".")[0])
        return self.add(
            ToolCallRequested,
            turn=turn,
            call_id=call_id,
            name=name,
            arguments=arguments,
            expires_at=NOON,
        )

    def steered(self, text: str) -> "Story":
        said = Message(id="s", role="user", content=text, run_id=self.run_id, created_at=NOON)
        return self.add(SteerReceived, message=said)

    def calls(self, call_id: str, child_run_id: str) -> "Story":
        """Tell that a call is a run of another agent's."""
        agent = child_run_id.partition(".")[0]
        self.begun(call_id, agent)
        return self.add(ChildStarted, call_id=call_id, child_run_id=child_run_id, agent=agent)

    def waits(self, kind: str = "", *below: Awaited) -> "Story":
        """Tell that it stands still, for what is open and runs below ask; or else, for a kind."""
        kind = "child" if below else kind
        kinds = set(self._open.values()) | ({kind} if kind else set())
        items = {
            name: [
                Awaited(run_id=self.run_id, id=each) for each, k in self._open.items() if k == of
            ]
            for name, of in (("approvals", "approval"), ("calls", "client"))
        }
        items["approvals"] += below
        first = next(k for k in ("client", "approval", kind) if k in kinds)
        self.add(RunWaiting, segment=self._segment, waiting_for=first, **items)
        self._segment += 1
        return self

    def ends(self, status: RunStatus = "completed", **fields: Any) -> "Story":
        error = fields.pop("error", None)
        run = Run(
            run_id=self.run_id,
            agent=self.run_id.partition(".")[0],
            status=status,
            created_at=NOON,
            ended_at=NOON,
            error=error and RunError(type=error, message=f"It failed: {error}.", retryable=False),
            **fields,
        )
        self.events.append(terminal_event(run, len(self.events) + 1))
        return self
