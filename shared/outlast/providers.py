"""The providers of models that are known by name, and where their keys are found.

The names are those of litellm 1.106.2. Which variables hold a provider's key, and in which order
they count, was read off requests that litellm sent with all of them set, on 2026-11-28. A
provider that is not here may still be one that litellm knows: the worker asks it then.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from outlast.spelling import nearest

Credentials = Literal["key", "optional key", "other"]


@dataclass(frozen=True)
class KnownProvider:
    """What calling a provider needs.

    Attributes:
        needs: `other` stands for roles, files and logins, which the provider's library finds.
        keys: Variables that may hold its API key; the first one that is set counts.
        instead: Variables that, without a key, do as well; the provider's library reads them.
    """

    needs: Credentials
    keys: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


COMMON_KEYS = (
    "ANTHROPIC_API_KEY",
    "AZURE_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "XAI_API_KEY",
)
"""Keys that nobody sets but for a model."""


def choose_model(variables: Mapping[str, str | None]) -> bool:
    """Tell whether variables choose a model or its provider: then no stack uses the demo model."""
    return any(variables.get(name) for name in ("MODEL", "WORKER_PROVIDERS", *COMMON_KEYS))


def mistaken_key(names: Iterable[str]) -> tuple[str, str] | None:
    """Return a variable that was most likely meant for a provider's key, and its right name."""
    for name in sorted(names):
        if name in COMMON_KEYS:
            continue
        found = _LIKE_A_KEY.fullmatch(name)
        provider = nearest_provider(found[1]) if found else None
        keys = [key for key in key_variables(provider) if key in COMMON_KEYS] if provider else []
        if meant := next(iter(keys), None) or nearest(name, COMMON_KEYS):
            return name, meant
    return None


_LIKE_A_KEY = re.compile(r"([A-Z]+?)_?(?:API_?)?(?:KEY|TOKEN)")
_KEY = {
    "ai21": "AI21_API_KEY",
    "ai21_chat": "AI21_API_KEY",
    "aihubmix": "AIHUBMIX_API_KEY",
    "aiml": "AIML_API_KEY",
    "aiohttp_openai": "OPENAI_API_KEY",
    "amazon_nova": "AMAZON_NOVA_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "apertis": "STIMA_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY AZURE_API_KEY",
    "azure_ai": "AZURE_AI_API_KEY AZURE_OPENAI_API_KEY AZURE_API_KEY",
    "azure_text": "AZURE_OPENAI_API_KEY AZURE_API_KEY",
    "baseten": "BASETEN_API_KEY",
    "cerebras": "CEREBRAS_API_KEY",
    "chutes": "CHUTES_API_KEY",
    "clarifai": "CLARIFAI_API_KEY",
    "cloudflare": "CLOUDFLARE_API_KEY",
    "codestral": "CODESTRAL_API_KEY",
    "cognition": "COGNITION_API_KEY",
    "cohere": "COHERE_API_KEY CO_API_KEY",
    "cohere_chat": "COHERE_API_KEY CO_API_KEY",
    "cometapi": "COMETAPI_KEY",
    "compactifai": "COMPACTIFAI_API_KEY",
    "cortecs": "CORTECS_API_KEY",
    "crusoe": "CRUSOE_API_KEY",
    "dashscope": "DASHSCOPE_API_KEY",
    "datarobot": "DATAROBOT_API_TOKEN",
    "deepinfra": "DEEPINFRA_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "edenai": "EDENAI_API_KEY",
    "featherless_ai": "FEATHERLESS_AI_API_KEY FEATHERLESS_API_KEY",
    "fireworks_ai": (
        "FIREWORKS_API_KEY FIREWORKS_AI_API_KEY FIREWORKSAI_API_KEY FIREWORKS_AI_TOKEN"
    ),
    "friendliai": "FRIENDLIAI_API_KEY FRIENDLI_TOKEN",
    "galadriel": "GALADRIEL_API_KEY",
    "gemini": "GOOGLE_API_KEY GEMINI_API_KEY",
    "github": "GITHUB_API_KEY",
    "gmi": "GMI_API_KEY",
    "gradient_ai": "GRADIENT_AI_API_KEY",
    "groq": "GROQ_API_KEY",
    "helicone": "HELICONE_API_KEY",
    "heroku": "HEROKU_API_KEY",
    "huggingface": "HF_TOKEN HUGGINGFACE_API_KEY",
    "hyperbolic": "HYPERBOLIC_API_KEY",
    "inception": "INCEPTION_API_KEY",
    "lambda_ai": "LAMBDA_API_KEY",
    "libertai": "LIBERTAI_API_KEY",
    "llamagate": "LLAMAGATE_API_KEY",
    "maritalk": "MARITALK_API_KEY",
    "meta": "META_API_KEY",
    "meta_llama": "LLAMA_API_KEY",
    "minimax": "MINIMAX_API_KEY",
    "mistral": "MISTRAL_AZURE_API_KEY MISTRAL_API_KEY",
    "modelscope": "MODELSCOPE_API_KEY",
    "moonshot": "MOONSHOT_API_KEY",
    "morph": "MORPH_API_KEY",
    "nano-gpt": "NANOGPT_API_KEY",
    "nebius": "NEBIUS_API_KEY",
    "neosantara": "NEOSANTARA_API_KEY",
    "novita": "NOVITA_API_KEY",
    "nscale": "NSCALE_API_KEY",
    "nvidia_nim": "NVIDIA_NIM_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY OR_API_KEY",
    "ovhcloud": "OVHCLOUD_API_KEY",
    "parasail": "PARASAIL_API_KEY",
    "perplexity": "PERPLEXITYAI_API_KEY PERPLEXITY_API_KEY",
    "poe": "POE_API_KEY",
    "publicai": "PUBLICAI_API_KEY",
    "qwen_ai_platform": "QWEN_AI_PLATFORM_API_KEY DASHSCOPE_API_KEY",
    "qwencloud": "QWENCLOUD_API_KEY DASHSCOPE_API_KEY",
    "reka": "REKA_API_KEY",
    "replicate": "REPLICATE_API_KEY REPLICATE_API_TOKEN",
    "sambanova": "SAMBANOVA_API_KEY",
    "sarvam": "SARVAM_API_KEY",
    "scaleway": "SCW_SECRET_KEY",
    "scx-ai": "SCX_API_KEY",
    "synthetic": "SYNTHETIC_API_KEY",
    "tencent": "TENCENT_API_KEY",
    "tensormesh": "TENSORMESH_INFERENCE_API_KEY",
    "text-completion-codestral": "CODESTRAL_API_KEY",
    "text-completion-openai": "OPENAI_API_KEY",
    "together_ai": "TOGETHER_API_KEY TOGETHER_AI_API_KEY TOGETHERAI_API_KEY TOGETHER_AI_TOKEN",
    "v0": "V0_API_KEY",
    "veniceai": "VENICE_AI_API_KEY",
    "vercel_ai_gateway": "VERCEL_AI_GATEWAY_API_KEY VERCEL_OIDC_TOKEN",
    "volcengine": "VOLCENGINE_API_KEY",
    "wandb": "WANDB_API_KEY",
    "xai": "XAI_API_KEY",
    "xiaomi_mimo": "XIAOMI_MIMO_API_KEY",
    "zai": "ZAI_API_KEY",
}
# Servers of one's own.
_OPTIONAL_KEY = {
    "custom_openai": "",
    "docker_model_runner": "DOCKER_MODEL_RUNNER_API_KEY",
    "hosted_vllm": "HOSTED_VLLM_API_KEY",
    "lemonade": "LEMONADE_API_KEY",
    "litellm_proxy": "LITELLM_PROXY_API_KEY",
    "llamafile": "LLAMAFILE_API_KEY",
    "lm_studio": "LM_STUDIO_API_KEY",
    "ollama": "OLLAMA_API_KEY",
    "ollama_chat": "OLLAMA_API_KEY",
    "ragflow": "RAGFLOW_API_KEY",
    "xinference": "XINFERENCE_API_KEY",
}
_OTHER = (
    "bedrock",
    "bedrock_mantle",
    "chatgpt",
    "databricks",
    "gdc",
    "gigachat",
    "github_copilot",
    "oci",
    "sagemaker",
    "sagemaker_chat",
    "sagemaker_nova",
    "sap",
    "snowflake",
    "vertex_ai",
    "vertex_ai_beta",
    "watsonx",
    "watsonx_text",
)
_AZURE_LOGINS = ("AZURE_AD_TOKEN", "AZURE_CLIENT_ID", "AZURE_USERNAME")
_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_AUTH_TOKEN",),
    "azure": _AZURE_LOGINS,
    "azure_ai": _AZURE_LOGINS,
    "azure_text": _AZURE_LOGINS,
}

PROVIDERS: Mapping[str, KnownProvider] = {
    **{
        name: KnownProvider("key", tuple(keys.split()), _INSTEAD.get(name, ()))
        for name, keys in _KEY.items()
    },
    **{
        name: KnownProvider("optional key", tuple(keys.split()))
        for name, keys in _OPTIONAL_KEY.items()
    },
    **{name: KnownProvider("other") for name in _OTHER},
}

# What the libraries of the others, and of those with logins, take.
_LOGIN_SECRETS = frozenset(
    {
        "AICORE_SERVICE_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AZURE_CLIENT_SECRET",
        "AZURE_PASSWORD",
        "DATABRICKS_API_KEY",
        "DATABRICKS_CLIENT_SECRET",
        "DATABRICKS_TOKEN",
        "GIGACHAT_CREDENTIALS",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "OCI_KEY",
        "SNOWFLAKE_JWT",
        "VERTEXAI_CREDENTIALS",
        "WATSONX_API_KEY",
        "WATSONX_APIKEY",
        "WATSONX_TOKEN",
        "WATSONX_ZENAPIKEY",
        "WX_API_KEY",
    }
)

# What people call a provider after its owner, its models, or in other catalogs.
_NICKNAMES: Mapping[str, str] = {
    "aws": "bedrock",
    "claude": "anthropic",
    "fireworks": "fireworks_ai",
    "google": "gemini",
    "gpt": "openai",
    "grok": "xai",
    "kimi": "moonshot",
    "llama.cpp": "llamafile",
    "qwen": "dashscope",
    "together": "together_ai",
    "vertex": "vertex_ai",
    "vllm": "hosted_vllm",
    "x-ai": "xai",
    "z-ai": "zai",
}


def provider_of(model: str) -> str:
    """Return the provider's name: the part of a model string before the first `/`."""
    return model.partition("/")[0]


def key_variables(provider: str) -> tuple[str, ...]:
    """Return the variables that may hold a provider's API key, in the order in which they count.

    Of a provider that is not known it is the one that is named after it.
    """
    if known := PROVIDERS.get(provider):
        return known.keys
    return (f"{provider.upper().replace('-', '_')}_API_KEY",)


def secret_variables(model: str) -> frozenset[str]:
    """Return the variables that may hold a provider's key or login: who asks no model needs none.

    Args:
        model: Whose provider may be one that is not known.
    """
    known = (name for found in PROVIDERS.values() for name in (*found.keys, *found.instead))
    return _LOGIN_SECRETS | {"WORKER_PROVIDERS", *key_variables(provider_of(model)), *known}


def correct_model(model: str) -> str:
    """Say what to write instead of a model of a provider that is not known."""
    provider, _, name = model.partition("/")
    if meant := nearest_provider(provider):
        return f"no provider is called {provider!r}; did you mean {meant}/{name}?"
    return (
        f"no provider is called {provider!r}; write one that litellm has, or openai/{name} with "
        "your server's address in WORKER_PROVIDERS"
    )


def nearest_provider(name: str) -> str | None:
    """Return the known provider that somebody meant, if that can be told."""
    name = name.lower()
    if name in PROVIDERS:
        return name
    return _NICKNAMES.get(name) or nearest(name, PROVIDERS)
