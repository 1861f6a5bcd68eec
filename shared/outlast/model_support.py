"""Which settings a model does not take, as far as its provider's documents say so.

Read on 2026-11-28: OpenAI's guides "Reasoning models" and "Using GPT-5.2" (parameters) and the
reference of `/responses`, Anthropic's reference of Messages, Groq's page on reasoning. What
Anthropic's models differ in is in `claude_models.py`.
"""

import re
from collections.abc import Mapping

from outlast.claude_models import claude_of
from outlast.protocol import ModelSettings

OVER_RESPONSES = re.compile(
    r"^(codex|computer-use|o\d-(pro|deep-research)|gpt-5(\.\d+)?-(pro|codex)|gpt-5\.[4-9]|"
    r"gpt-[6-9])"
)
"""Models that OpenAI asks to be called over `/responses`: for tools and reasoning there is no other
way."""
_OPENAI = re.compile(r"^openai/(responses/)?(.+)$")
# Of the later ones only without reasoning, which is what they do by default.
_ALWAYS_REASONS = re.compile(r"^(o\d|gpt-5(?!\.)(?!-chat))")
_REASONS_IF_TOLD = re.compile(r"^gpt-(5\.\d|[6-9])")
_NEVER_REASONS = re.compile(r"^(gpt-[34]|chatgpt-)")
_PLAIN_AT_GROQ = re.compile(r"^groq/(meta-llama/)?(llama|gemma|mixtral)")
_SAMPLING = ("temperature", "top_p")


def unsupported(model: str, settings: ModelSettings) -> Mapping[str, str]:
    """Return the names of settings that a model would refuse, each with why.

    Args:
        model: With its provider.
        settings: How it is to be asked.
    """
    refused = _refused(model, settings)
    return {name: why for name, why in refused.items() if name in settings.names}


def _refused(model: str, settings: ModelSettings) -> Mapping[str, str]:
    if model.startswith("anthropic/"):
        return {"seed": "Anthropic has none", **_refused_by_claude(model, settings)}
    if _PLAIN_AT_GROQ.match(model):
        return {"reasoning_effort": "it is no reasoning model"}
    if not (found := _OPENAI.match(model)):
        return {}
    name = found[2]
    refused: dict[str, str] = {}
    if found[1] or OVER_RESPONSES.match(name):
        refused |= dict.fromkeys(("seed", "stop"), "OpenAI's /responses has none")
    if _ALWAYS_REASONS.match(name):
        refused |= dict.fromkeys((*_SAMPLING, "stop"), "it is a reasoning model")
    if _REASONS_IF_TOLD.match(name):
        refused["stop"] = "it is a reasoning model"
        if settings.reasoning_effort not in (None, "none"):
            refused |= dict.fromkeys(_SAMPLING, "it does so with reasoning_effort='none' only")
    if _NEVER_REASONS.match(name):
        refused["reasoning_effort"] = "it is no reasoning model"
    return refused


def _refused_by_claude(model: str, settings: ModelSettings) -> Mapping[str, str]:
    refused: dict[str, str] = {}
    if not all(text.strip() for text in settings.stop or ()):
        refused["stop"] = "Anthropic takes none that is white space"
    claude = claude_of(model)
    if claude is None:  # another's, at an address that speaks as Anthropic does
        return refused
    if not claude.samples:
        refused |= dict.fromkeys(_SAMPLING, "it chooses by itself")
    elif settings.reasoning_effort not in (None, "none") and claude.can_think:
        refused |= dict.fromkeys(_SAMPLING, "it chooses by itself while it thinks")
    elif settings.temperature is not None:
        if claude.samples_one_way:
            refused["top_p"] = "it takes temperature or top_p"
        if settings.temperature > 1:
            refused["temperature"] = "Anthropic's goes up to 1"
    if not claude.can_think:
        refused["reasoning_effort"] = "it is no reasoning model"
    if not claude.can_be_made_to_call and settings.tool_choice not in (None, "auto", "none"):
        refused["tool_choice"] = "it can't be made to call a tool"
    return refused
