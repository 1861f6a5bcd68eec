"""Records as a run of the engine's tests has them: pins, answers, results, decisions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from outlast.contract import SteeringMessage
from outlast.protocol import (
    Action,
    InputMessage,
    Limits,
    OnLimit,
    Resolution,
    RunError,
    RunErrorType,
    Usage,
)
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import (
    Cut,
    ModelFault,
    ModelRecord,
    Pin,
    PinnedChild,
    PinnedCompaction,
    PinnedTool,
    RequestedCall,
    ToolRecord,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return the time so many seconds after noon, when runs are created here."""
    return NOON + timedelta(seconds=seconds)


def once(name: str, *, verifies: bool = False, timeout_s: float = 10) -> PinnedTool:
    """Make a pinned `once` tool."""
    return PinnedTool(
        name=name,
        description="…",
        parameters={},
        kind="once",
        timeout_s=timeout_s,
        verifies=verifies,
    )


def called_agent(name: str, *, own_thread: bool = False, gets_context: bool = True) -> PinnedTool:
    """Make a pinned agent as a tool."""
    child = PinnedChild(agent=name, own_thread=own_thread, gets_context=gets_context)
    return PinnedTool(name=name, description="…", parameters={}, kind="agent", child=child)


def pin(
    *tools: str,
    model_retry_for_s: float = 600,
    fallbacks: Sequence[str] = (),
    fallback_on_refusal: bool = False,
    on_limit: OnLimit = "stop",
    compaction: PinnedCompaction | None = None,
    **limits: Any,
) -> Pin:
    """Make the pin of an agent; calls of tools with a `?` may need approval, within a minute."""
    return Pin(
        at=after(1),
        digest="d",
        instructions="Be brief.",
        model="openai/x",
        tools=[
            PinnedTool(
                name=name.removeprefix("?"),
                description="…",
                parameters={},
                may_need_approval=name.startswith("?"),
                approval_timeout_s=60 if name.startswith("?") else None,
            )
            for name in tools
        ],
        limits=Limits(**{"max_turns": 20, **limits}),
        on_limit=on_limit,
        model_retry_for_s=model_retry_for_s,
        fallbacks=list(fallbacks),
        fallback_on_refusal=fallback_on_refusal,
        compaction=compaction,
    )


def model_call(pinned: Pin | None = None, **fields: Any) -> ModelCall:
    """Make a model call of a run's first turn."""
    pinned = pinned or pin()
    made: dict[str, Any] = {
        "turn": 1,
        "attempt": 1,
        "model": pinned.model,
        "settings": pinned.settings_in(fields.get("turn", 1)),
        "pin": pinned,
        "messages": [],
        "stream": False,
    }
    return ModelCall(**{**made, **fields})


def answer(
    text: str = "",
    *calls: tuple[str, str],
    at_s: float = 2,
    finish_reason: str | None = None,
    usage: Usage | None = None,
) -> ModelRecord:
    """Make a model's answer: a text, and tool calls as names and JSON texts."""
    return ModelRecord(
        text=text,
        calls=[RequestedCall(name=name, arguments=arguments) for name, arguments in calls],
        finish_reason=finish_reason or ("tool_calls" if calls else "stop"),
        usage=usage or Usage(model_calls=1, cost_usd=0.0),
        model="x-2026",
        started_at=after(at_s - 1),
        ended_at=after(at_s),
    )


def model_fault(
    retry_after_s: float | None,
    *,
    kind: RunErrorType = "model-unavailable",
    at_s: float = 2,
) -> ModelFault:
    """Make a model call that gave no answer, one second long."""
    return ModelFault(
        error=RunError(type=kind, message="no answer", retryable=retry_after_s is not None),
        retry_after_s=retry_after_s,
        started_at=after(at_s - 1),
        ended_at=after(at_s),
    )


def cut(
    covers: int = 4,
    *,
    text: str = "In short: lamps.",
    usage: Usage | None = None,
    at_s: float = 2,
) -> Cut:
    """Make what a prompt is cut to: a quarter of it. If it covers nothing, all of it stays."""
    return Cut(
        covers=covers,
        left_out=covers,
        text=text,
        tokens_before=1_000,
        tokens_after=250,
        model="x-2026",
        usage=usage or Usage(model_calls=1, input_tokens=700, output_tokens=50, cost_usd=0.0),
        started_at=after(at_s - 1),
        ended_at=after(at_s),
    )


def result(output: str, *, at_s: float = 3, is_error: bool = False) -> ToolRecord:
    """Make a tool's result, half a second long."""
    return ToolRecord(
        output=output, is_error=is_error, started_at=after(at_s - 0.5), ended_at=after(at_s)
    )


def steering(text: str, index: int = 0, *, at_s: float = 2) -> SteeringMessage:
    """Make a message that somebody sends to the run."""
    said = InputMessage(role="user", content=text)
    return SteeringMessage(message_id=f"in.{index}", input=[said], at=after(at_s))


def decided(
    call_id: str,
    action: Action | Literal["expired"] = "approve",
    *,
    at_s: float = 10,
    **fields: Any,
) -> Resolution:
    """Make a person's decision."""
    return Resolution(call_id=call_id, action=action, at=after(at_s), **fields)
