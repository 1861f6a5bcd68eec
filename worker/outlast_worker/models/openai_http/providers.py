"""The providers that are spoken to directly: where they are, and how they differ.

Their names are those of `outlast.providers`, which knows their keys. Addresses, and the variables
that may hold others, are those that litellm 1.106.2 uses. What goes back is in `sent_back.py`.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from outlast.model_support import OVER_RESPONSES
from outlast_worker.models.keys import Access
from outlast_worker.models.litellm_options import WORDS_TO_LITELLM


@dataclass(frozen=True)
class DirectProvider:
    """How a provider of OpenAI's format differs from OpenAI.

    Attributes:
        address: Its usual base URL; none for servers of one's own.
        variables: May hold another one; the first that is set counts.
        path: What an address without any path gets.
        renamed: Parameters of a chat that it calls otherwise.
        asks_for_usage: Whether a stream has to be asked to count, and it knows how.
        texts_only: Parts of a message that are all text become one text.
        model_prefix: What a model's name without a `/` gets in front.
        extra: Sent along with every request.
        tells_cost: Whether its answers say what they cost.
        schemas: When it holds an answer to a JSON Schema: some don't while there are tools.
        not_here: Options that its other interface has, or that litellm translates for it.
    """

    address: str | None = None
    variables: tuple[str, ...] = ()
    path: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    asks_for_usage: bool = True
    texts_only: bool = False
    model_prefix: str = ""
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    tells_cost: bool = False
    schemas: Literal["always", "without tools", "never"] = "never"
    not_here: frozenset[str] = frozenset()


# Of Ollama's own interface; the one in OpenAI's format takes none of them.
_OLLAMAS_OWN = (
    "format keep_alive mirostat mirostat_eta mirostat_tau num_ctx num_gpu num_gqa num_keep "
    "num_predict num_thread options repeat_last_n repeat_penalty template tfs_z think typical_p "
    "min_p top_k"
)
_OLLAMA = DirectProvider(
    "http://localhost:11434",
    ("OLLAMA_API_BASE",),
    path="/v1",
    schemas="without tools",
    not_here=frozenset(_OLLAMAS_OWN.split()),
)

PROVIDERS: Mapping[str, DirectProvider] = {
    "openai": DirectProvider(
        "https://api.openai.com/v1", ("OPENAI_BASE_URL", "OPENAI_API_BASE"), schemas="always"
    ),
    "azure": DirectProvider(variables=("AZURE_API_BASE",), schemas="always"),
    "cerebras": DirectProvider(
        "https://api.cerebras.ai/v1",
        ("CEREBRAS_API_BASE",),
        asks_for_usage=False,
        schemas="without tools",
    ),
    "custom_openai": DirectProvider(),
    "dashscope": DirectProvider(
        "https://dashscope.aliyuncs.com/compatible-mode/v1", ("DASHSCOPE_API_BASE",)
    ),
    "deepinfra": DirectProvider("https://api.deepinfra.com/v1/openai", ("DEEPINFRA_API_BASE",)),
    "deepseek": DirectProvider(
        "https://api.deepseek.com/v1",
        ("DEEPSEEK_API_BASE",),
        texts_only=True,
        not_here=frozenset({"reasoning_effort"}),
    ),
    "fireworks_ai": DirectProvider(
        "https://api.fireworks.ai/inference/v1",
        ("FIREWORKS_API_BASE",),
        model_prefix="accounts/fireworks/models/",
        schemas="without tools",
    ),
    "groq": DirectProvider("https://api.groq.com/openai/v1", ("GROQ_API_BASE",)),
    "hosted_vllm": DirectProvider(variables=("HOSTED_VLLM_API_BASE",), schemas="without tools"),
    "litellm_proxy": DirectProvider(variables=("LITELLM_PROXY_API_BASE",)),
    "llamafile": DirectProvider(
        "http://127.0.0.1:8080/v1", ("LLAMAFILE_API_BASE",), schemas="without tools"
    ),
    "lm_studio": DirectProvider(variables=("LM_STUDIO_API_BASE",), schemas="without tools"),
    "mistral": DirectProvider(
        "https://api.mistral.ai/v1",
        ("MISTRAL_API_BASE",),
        renamed={"seed": "random_seed"},
        asks_for_usage=False,
        texts_only=True,
        schemas="without tools",
    ),
    "moonshot": DirectProvider(
        "https://api.moonshot.ai/v1", ("MOONSHOT_API_BASE",), texts_only=True
    ),
    "nvidia_nim": DirectProvider("https://integrate.api.nvidia.com/v1", ("NVIDIA_NIM_API_BASE",)),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "openrouter": DirectProvider(
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_BASE",),
        renamed={"reasoning_effort": "reasoning"},
        extra={"usage": {"include": True}},
        tells_cost=True,
    ),
    "perplexity": DirectProvider(
        "https://api.perplexity.ai",
        ("PERPLEXITY_API_BASE",),
        tells_cost=True,
        schemas="without tools",
    ),
    "together_ai": DirectProvider("https://api.together.xyz/v1", ("TOGETHER_AI_API_BASE",)),
    "xai": DirectProvider("https://api.x.ai/v1", ("XAI_API_BASE",), schemas="without tools"),
}

# OpenAI's models before those that take schemas.
_WITHOUT_SCHEMAS = re.compile(r"^(gpt-3|gpt-4(-|$)|o1-(mini|preview)|chatgpt-4o)")
_AZURE_API = "2024-10-21"
# OpenAI's reasoning models know only the new name.
_REASONING_MODEL = re.compile(r"^(o\d|gpt-5|gpt-[6-9]|codex)")
_RESPONSES = "responses/"
"""Before a model's name it chooses that interface, as in litellm."""
_OPENAI_HOST = re.compile(r"^https://([\w-]+\.)?api\.openai\.com(/|:|$)")


def speaks(provider: str, model: str, options: Iterable[str]) -> bool:
    """Tell whether a model is called directly, with these options."""
    known = PROVIDERS.get(provider)
    if known is None or not (known.not_here | WORDS_TO_LITELLM).isdisjoint(options):
        return False
    if provider == "azure":
        return not model.startswith(_RESPONSES) and not OVER_RESPONSES.match(model)
    return provider == "openai" or not model.startswith(_RESPONSES)


def takes_schema(model: str, *, has_tools: bool) -> bool:
    """Tell whether a model's answers are held to a JSON Schema."""
    provider, _, name = model.partition("/")
    schemas = PROVIDERS[provider].schemas
    if schemas == "never" or _WITHOUT_SCHEMAS.match(name):
        return False
    return schemas == "always" or not has_tools


def needs_responses(provider: str, model: str, base_url: str | None) -> bool:
    """Tell whether a model is asked over `/responses`, and not as a chat."""
    if provider != "openai":
        return False
    if model.startswith(_RESPONSES):
        return True
    address = address_of(provider, base_url) or ""
    return bool(_OPENAI_HOST.match(address) and OVER_RESPONSES.match(model))


def address_of(provider: str, base_url: str | None) -> str | None:
    """Return a provider's base URL: the settings', the environment's, the usual one."""
    known = PROVIDERS[provider]
    from_environment = (os.environ.get(name) for name in known.variables)
    address = base_url or next((each for each in from_environment if each), known.address)
    if address is None:
        return None
    address = address.rstrip("/")
    has_path = "/" in address.partition("://")[2]
    return address if has_path else address + known.path


def chat_url(provider: str, model: str, access: Access) -> str | None:
    """Return where a model is asked, if anybody has said where its provider is."""
    address = address_of(provider, access.base_url)
    if address is None or address.endswith("/chat/completions"):
        return address
    if provider == "azure" and not address.endswith("/v1"):
        version = os.environ.get("AZURE_API_VERSION") or _AZURE_API
        if "/deployments/" not in address:
            address = f"{address}/openai/deployments/{model}"
        return f"{address}/chat/completions?api-version={version}"
    return f"{address}/chat/completions"


def responses_url(access: Access) -> str:
    """Return where a model is asked that needs `/responses`."""
    address = address_of("openai", access.base_url) or ""
    return f"{address.removesuffix('/chat/completions')}/responses"


def no_address(provider: str) -> str:
    """Say what to set where a provider is a server of one's own, and nobody said where."""
    variables = "".join(f", or {name}," for name in PROVIDERS[provider].variables)
    return (
        f"Nobody has said where {provider} is. Set base_url of {provider!r} in "
        f"WORKER_PROVIDERS{variables} for the worker, and restart it."
    )


def headers(provider: str, access: Access, extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return what a request carries beside its body.

    Args:
        provider: Whose key it is.
        access: With which key; the headers of the settings count last.
        extra: The agent's own.
    """
    sent = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
    if access.api_key:
        key = access.api_key
        sent |= {"api-key": key} if provider == "azure" else {"authorization": f"Bearer {key}"}
    for headers in (extra or {}, access.headers):
        sent |= {name.lower(): value for name, value in headers.items()}
    return sent


def renamed(provider: str, model: str) -> Mapping[str, str]:
    """Return the parameters of a chat that a provider calls otherwise."""
    if provider in ("openai", "azure") and _REASONING_MODEL.match(model):
        return {"max_tokens": "max_completion_tokens"}
    return PROVIDERS[provider].renamed
