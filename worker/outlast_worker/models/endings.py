"""What a provider's reason for the end of an answer means, whichever client read it.

OpenAI's names, and those of providers and servers that kept their own. A reason that is not here
is never taken for a whole answer.
"""

from typing import Literal

from outlast_worker.engine.records import PAUSED

Ending = Literal[
    "whole",
    "calls",
    "cut short",
    "filtered",
    "paused",
    "broken off",
    "malformed",
    "unknown",
]
"""`broken off` and `malformed` are worth another try, `paused` asks for the rest."""

_REASONS: dict[Ending, str] = {
    "whole": "stop end_turn stop_sequence eos eos_token eos_found complete finished end done",
    "calls": "tool_calls tool_call tool_use function_call",
    "cut short": """
        length max_tokens max_output_tokens max_length model_length token_limit
        model_context_window_exceeded context_length_exceeded
    """,
    "filtered": """
        content_filter content_filtered safety refusal recitation blocklist prohibited_content spii
        image_safety sensitive guardrail_intervened language
    """,
    "paused": "pause_turn pause",
    "broken off": """
        error network_error server_error abort aborted cancelled canceled timeout interrupted
        insufficient_system_resource engine_overloaded other
    """,
    "malformed": """
        malformed_function_call malformed_response malformed_tool_use malformed_model_output
        unexpected_tool_call too_many_tool_calls missing_thought_signature
    """,
}
_ENDINGS: dict[str, Ending] = {
    reason: ending for ending, reasons in _REASONS.items() for reason in reasons.split()
}
_RECORDED: dict[Ending, str] = {
    "whole": "stop",
    "calls": "tool_calls",
    "cut short": "length",
    "filtered": "content_filter",
    "paused": PAUSED,
}


def ending_of(reason: str) -> Ending:
    """Return what a reason means."""
    return _ENDINGS.get(reason.strip().lower(), "unknown")


def recorded_reason(ending: Ending) -> str:
    """Return OpenAI's name for the ending of an answer that counts."""
    return _RECORDED[ending]
