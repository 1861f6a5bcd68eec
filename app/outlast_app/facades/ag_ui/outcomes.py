"""How a run of AG-UI ends: what a person is asked, and what was used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from outlast.events import ApprovalRequested
from outlast.protocol import Usage
from outlast_app.facades.called import CalledApproval
from outlast_app.facades.ids import name_of_asked

REASON = "tool_call"
RESPONSE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "reason": {"type": "string"},
        "editedArgs": {"type": "object"},
    },
    "required": ["approved"],
}
"""What a person answers with: as pydantic-ai has it, so that pages know it."""


def interrupt(run_id: str, asked: ApprovalRequested) -> dict[str, Any]:
    """Return what a client shows a person who has to decide on a call."""
    message = asked.question or f"May {asked.name} be called?"
    return _interrupt(run_id, asked.call_id or "", message, asked.expires_at)


def interrupt_below(run_id: str, called: CalledApproval) -> dict[str, Any]:
    """Return the same for a call of a run below, with which run that is."""
    message = called.question or f"May the agent {called.agent} call {called.tool}?"
    shown = _interrupt(run_id, called.key, message, called.expires_at)
    about = {"agent": called.agent, "run_id": called.run_id}
    return {**shown, "metadata": {"outlast": about}}


def _interrupt(run_id: str, key: str, message: str, expires_at: datetime | None) -> dict[str, Any]:
    name = name_of_asked("call", run_id, key)
    shown: dict[str, Any] = {
        "id": name,
        "reason": REASON,
        "toolCallId": name,
        "message": message,
        "responseSchema": RESPONSE_SCHEMA,
    }
    if expires_at:
        shown["expiresAt"] = expires_at.isoformat()
    return shown


def usage_of(by_model: Mapping[str, Usage]) -> list[dict[str, Any]]:
    """Return what models were used for, each by itself."""
    return [
        {
            "model": model,
            "inputTokens": used.input_tokens,
            "outputTokens": used.output_tokens,
            "totalTokens": used.input_tokens + used.output_tokens,
            "reasoningTokens": used.reasoning_tokens,
            "cachedInputTokens": used.cached_tokens,
        }
        for model, used in by_model.items()
    ]
