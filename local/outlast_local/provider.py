"""Which model a local stack talks to: the one that was chosen, else the demo model."""

import json
import os

from dotenv import dotenv_values

from outlast.providers import (
    COMMON_KEYS,
    choose_model,
    key_variables,
    mistaken_key,
    provider_of,
)
from outlast.settings import DEFAULT_MODEL

DEMO_MODEL = "openai/demo"


def chosen_model() -> str | None:
    """Return the default model, or None where neither the environment nor `.env` chose any.

    A provider's key or address is a choice, and so is a `MODEL` alone: some need no key.
    """
    known = _known()
    return (known.get("MODEL") or DEFAULT_MODEL) if choose_model(known) else None


def describe_model() -> str:
    """Say which model agents have that name none, and what may be wrong with it."""
    if model := chosen_model():
        return f"{model}{_without_key()}"
    why = "no provider key found"
    if mistaken := mistaken_key(name for name, value in _known().items() if value):
        given, meant = mistaken
        why += f"; if {given} is one, call it {meant}"
    return f"the demo model, a stand-in ({why})"


def demo_settings(base_url: str) -> dict[str, str]:
    """Return the settings that send every model call to the demo model."""
    providers = {"openai": {"base_url": base_url}}
    return {"MODEL": DEMO_MODEL, "WORKER_PROVIDERS": json.dumps(providers)}


def _without_key() -> str:
    """Say that the default model, which nobody named, is not the one that there is a key for."""
    known = _known()
    if known.get("MODEL") or known.get("WORKER_PROVIDERS"):
        return ""
    given = [name for name in COMMON_KEYS if known.get(name)]
    default = key_variables(provider_of(DEFAULT_MODEL))
    if not given or any(known.get(name) for name in default):
        return ""
    provider = given[0].removesuffix("_API_KEY").lower()
    return f", for which there is no key; for {given[0]}, set MODEL={provider}/…"


def _known() -> dict[str, str | None]:
    return {**dotenv_values(".env"), **os.environ}
