"""How much a model is told to think, in the words of its generation.

Models before Claude 4.6 have a budget, later ones an effort and find out the rest themselves. The
budgets are those of litellm 1.106.2, so that both clients ask for the same.
"""

from typing import Any

from outlast.claude_models import Claude
from outlast.protocol import ModelSettings, ReasoningEffort
from outlast_worker.models.fitting import warn_left_out

_BUDGETS: dict[ReasoningEffort, int] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16384,
}
_SMALLEST_BUDGET = 1024
# Shown as it comes, in short: later models otherwise keep it to themselves.
_ADAPTIVE = {"type": "adaptive", "display": "summarized"}
_OFF = {"type": "disabled"}


def budget_tokens(claude: Claude | None, effort: ReasoningEffort | None) -> int:
    """Return how much a model may think beside its answer, if it has to be told."""
    return 0 if claude and claude.adapts else _BUDGETS.get(effort or "none", 0)


def thinking(
    model: str,
    claude: Claude | None,
    settings: ModelSettings,
    max_tokens: int,
    *,
    goes_on_unthought: bool,
) -> dict[str, Any]:
    """Return what is said of thinking.

    Args:
        model: As the agent names it.
        claude: What is known of it.
        settings: How it is asked.
        max_tokens: How long its answer may get.
        goes_on_unthought: It goes on from calls that it made without thinking, which a model with
            a budget refuses to do while it thinks.
    """
    effort = settings.reasoning_effort
    if claude and claude.adapts:
        is_made_to_call = settings.tool_choice not in (None, "auto", "none")
        return _adaptive(claude, effort, is_made_to_call=is_made_to_call)
    budget = budget_tokens(claude, effort)
    if not budget or goes_on_unthought or settings.tool_choice not in (None, "auto", "none"):
        return {}
    if max_tokens <= _SMALLEST_BUDGET:
        warn_left_out(model, "reasoning_effort", "max_output_tokens leaves no room to think")
        return {}
    return {"thinking": {"type": "enabled", "budget_tokens": min(budget, max_tokens - 1)}}


def _adaptive(
    claude: Claude, effort: ReasoningEffort | None, *, is_made_to_call: bool
) -> dict[str, Any]:
    """Tell how much; it refuses to think where it has to call a tool."""
    if effort == "none" or is_made_to_call:
        if claude.always_thinks:
            return {} if effort != "none" else {"output_config": {"effort": "low"}}
        return {"thinking": _OFF} if claude.thinks_untold else {}
    if effort is None:
        return {"thinking": _ADAPTIVE} if claude.thinks_untold else {}
    return {"thinking": _ADAPTIVE, "output_config": {"effort": _known(claude, effort)}}


def _known(claude: Claude, effort: ReasoningEffort) -> str:
    if effort in claude.efforts:
        return effort
    return "low" if effort == "minimal" else "high"
