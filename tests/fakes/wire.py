"""Runs and events as the app sends them, for clients."""

from typing import Any

RUN_ID = "support.aaaaaaaaaaaaaaaaaaaaaaaaaa"
NOON = "2026-01-01T12:00:00Z"


def run(status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Make a run."""
    return {"run_id": RUN_ID, "agent": "support", "status": status, **fields}


def event(seq: int, type_: str, **fields: Any) -> dict[str, Any]:
    """Make a committed event."""
    return {"run_id": RUN_ID, "seq": seq, "type": type_, **fields}


def live(type_: str, **fields: Any) -> dict[str, Any]:
    """Make a live event."""
    return {"run_id": RUN_ID, "type": type_, **fields}


def reset(turn: int = 1) -> dict[str, Any]:
    return live("message.reset", turn=turn, attempt=1)


def delta(text: str, turn: int = 1) -> dict[str, Any]:
    return live("message.delta", turn=turn, attempt=1, n=0, text=text)


def snapshot(text: str, turn: int = 1) -> dict[str, Any]:
    return live("message.snapshot", turn=turn, attempt=1, n=1, text=text, reasoning="")


def message(seq: int, text: str, turn: int = 1) -> dict[str, Any]:
    """Make the event of a committed answer."""
    said = {"id": "m", "role": "assistant", "content": text, "run_id": RUN_ID, "created_at": NOON}
    return event(
        seq,
        "message.completed",
        turn=turn,
        message=said,
        usage={},
        model="openai/x",
        finish_reason="stop",
    )


def ended(seq: int, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Make the event that ends a stream."""
    return event(seq, f"run.{status}", run=run(status, **fields))


def approval(resolution: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Make a call that waits for a person."""
    return {
        "call_id": "1.0",
        "name": "refund",
        "arguments": {"cents": 4990},
        "requested_at": NOON,
        "resolution": resolution,
        **fields,
    }


def approval_requested(seq: int) -> dict[str, Any]:
    arguments = {"cents": 4990}
    return event(seq, "approval.requested", call_id="1.0", name="refund", arguments=arguments)
