"""A response of OpenAI's API, as it is shown: what its creator sent, and how its run stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from outlast.protocol import Run, Usage
from outlast_app.facades.ids import name_of
from outlast_app.facades.openai.content import written
from outlast_app.facades.segments import RunLog

_INCOMPLETE: Mapping[str, str] = {"output_length": "max_output_tokens"}
_PROMPT_FAULTS = frozenset({"content-policy", "context-too-long", "guardrail", "model-rejected"})
ECHOED: Mapping[str, JsonValue] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response says of its request, where that did not say it."""


@dataclass(frozen=True)
class Facts:
    """What is known of a response beside its run's events.

    Attributes:
        segment: Which segment of the run it is.
        echo: What its creator sent, to be shown again.
        before: The response that it goes on with, if that is of another run.
        conversation: Its conversation, if its creator named one.
    """

    run_id: str
    segment: int
    created_s: int
    echo: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    before: str | None = None
    conversation: str | None = None

    @property
    def agent(self) -> str:
        """The agent: the response's model."""
        return self.run_id.partition(".")[0]

    @property
    def response_id(self) -> str:
        """The response's id."""
        return name_of("resp", self.run_id, self.segment)

    @property
    def is_structured(self) -> bool:
        """Whether the answer has to fit a schema."""
        text = self.echo.get("text")
        wanted = text.get("format") if isinstance(text, dict) else None
        return isinstance(wanted, dict) and wanted.get("type") == "json_schema"


def response_of(
    facts: Facts, log: RunLog, output: Sequence[Mapping[str, Any]], *, has_started: bool
) -> dict[str, Any]:
    """Return a response as it stands.

    Args:
        facts: What is known beside the events.
        log: The run's events, up to the end of this segment at most.
        output: The items so far.
        has_started: Whether the run has begun.
    """
    # The one before may be over, and nothing have happened since: the run goes on for all that.
    is_later = log.segment < facts.segment
    run, is_over = log.ended, log.is_over and not is_later
    status = _status_of(run) if run else "completed" if is_over else "in_progress"
    if not (is_over or has_started or is_later):
        status = "queued"
    earlier = [segment for segment in log.segments if segment < facts.segment]
    before = name_of("resp", facts.run_id, earlier[-1]) if earlier else facts.before
    ended_at = run.ended_at if run else None
    return {
        "id": facts.response_id,
        "object": "response",
        "created_at": facts.created_s,
        "status": status,
        "completed_at": int(ended_at.timestamp()) if ended_at and status == "completed" else None,
        "error": _error_of(run) if run else None,
        "incomplete_details": _incompleteness_of(run) if run else None,
        "model": facts.agent,
        "output": list(output),
        "previous_response_id": before,
        "conversation": {"id": facts.conversation} if facts.conversation else None,
        "metadata": dict(facts.metadata),
        "usage": usage_of(log.usage) if is_over else None,
        **{name: facts.echo.get(name, value) for name, value in ECHOED.items()},
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return what a segment's model calls used."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def message_item(run_id: str, turn: int, text: str | None, phase: str | None) -> dict[str, Any]:
    """Return what the model said in a turn; `text` is null while it is being written."""
    content = [] if text is None else [text_part(text)] if text else []
    return {
        "id": name_of("msg", run_id, turn),
        "type": "message",
        "role": "assistant",
        "status": "in_progress" if text is None else "completed",
        "content": content,
        **({"phase": phase} if phase else {}),
    }


def text_part(text: str) -> dict[str, Any]:
    """Return a part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def function_item(
    item_id: str, call_id: str, name: str, arguments: Mapping[str, JsonValue]
) -> dict[str, Any]:
    """Return a call that the client has to run."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": written(arguments),
    }


def _status_of(run: Run) -> str:
    return str(run.status)


def _error_of(run: Run) -> dict[str, Any] | None:
    if run.error is None:
        return None
    code = "invalid_prompt" if run.error.type in _PROMPT_FAULTS else "server_error"
    return {"code": code, "message": f"{run.error.type}: {run.error.message}"}


def _incompleteness_of(run: Run) -> dict[str, Any] | None:
    reason = run.incomplete_reason
    return {"reason": _INCOMPLETE.get(reason, reason)} if reason else None
