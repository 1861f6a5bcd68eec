"""How a run of AG-UI ends: what a person is asked, and what was used."""

from collections.abc import Mapping
from typing import Any

from outlast.events import ApprovalRequested
from outlast.protocol import Usage
from outlast_app.facades.ids import name_of_call

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
    name = name_of_call("call", run_id, asked.call_id or "")
    shown: dict[str, Any] = {
        "id": name,
        "reason": REASON,
        "toolCallId": name,
        "message": asked.question or f"May {asked.name} be called?",
        "responseSchema": RESPONSE_SCHEMA,
    }
    if asked.expires_at:
        shown["expiresAt"] = asked.expires_at.isoformat()
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
