"""What goes back to a provider of its own answers: an allow-list.

Strict providers refuse fields that they don't know, some want theirs back, and what libraries add
for themselves is nobody's business. The names are those of the wire; litellm's are its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SentBack:
    """Names of fields, of an assistant's message and of each of its calls.

    Attributes:
        message: Of a message.
        call: Of a call.
        alone: Those of a message that go back even if it has neither text nor calls.
    """

    message: frozenset[str] = frozenset()
    call: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()


NOTHING = SentBack()
_REASONING = SentBack(frozenset({"reasoning_content"}))
_GOOGLE = SentBack(frozenset({"extra_content"}), frozenset({"extra_content"}))
# A server of one's own: what it sent it can take, in the fields that are widely known.
_OWN_SERVER = SentBack(
    frozenset({"reasoning_content", "reasoning", "extra_content"}), frozenset({"extra_content"})
)

_BY_PROVIDER: Mapping[str, SentBack] = {
    "deepseek": _REASONING,
    "moonshot": _REASONING,
    "zai": _REASONING,
    "xiaomi_mimo": _REASONING,
    "minimax": SentBack(frozenset({"reasoning_content", "reasoning_details"})),
    "openrouter": SentBack(frozenset({"reasoning_details"})),
    "openai": _OWN_SERVER,
    "hosted_vllm": _OWN_SERVER,
    "custom_openai": _OWN_SERVER,
    "litellm_proxy": _OWN_SERVER,
    "lm_studio": _OWN_SERVER,
    "llamafile": _OWN_SERVER,
}
# Where an `openai` model's address is a provider's, that one counts.
_BY_HOST: Mapping[str, SentBack] = {
    "api.openai.com": NOTHING,
    "generativelanguage.googleapis.com": _GOOGLE,
    "api.deepseek.com": _REASONING,
    "api.moonshot.ai": _REASONING,
    "api.moonshot.cn": _REASONING,
    "api.z.ai": _REASONING,
    "openrouter.ai": _BY_PROVIDER["openrouter"],
    "api.groq.com": NOTHING,
    "api.cerebras.ai": NOTHING,
    "api.mistral.ai": NOTHING,
    "api.fireworks.ai": NOTHING,
    "api.together.xyz": NOTHING,
    "api.x.ai": NOTHING,
}
# litellm makes the provider's format of these; on OpenAI's wire they would stand as they are.
_OF_LITELLM = SentBack(
    frozenset({"reasoning_content", "thinking_blocks", "provider_specific_fields"}),
    frozenset({"provider_specific_fields"}),
)
_TRANSLATED = frozenset(
    {
        "anthropic",
        "bedrock",
        "databricks",
        "gemini",
        "vertex_ai",
        "vertex_ai_beta",
    }
)


def sent_back(provider: str, host: str | None = None) -> SentBack:
    """Return what a provider gets back.

    Args:
        provider: By the name of its models.
        host: Of its address, if that is known and not the usual one.
    """
    if provider in _TRANSLATED:
        return _OF_LITELLM
    if host and host in _BY_HOST:
        return _BY_HOST[host]
    if host and host.endswith(".openai.azure.com"):
        return NOTHING
    return _BY_PROVIDER.get(provider, NOTHING)
