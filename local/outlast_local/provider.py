"""Which model a local stack talks to: the one that was chosen, else the demo model."""

import json
import os
from collections.abc import Mapping
from functools import cache

import yaml
from dotenv import dotenv_values

from outlast.settings import DEFAULT_MODEL
from outlast_local.restate_binary import ROOT

DEMO_MODEL = "openai/demo"


def chosen_model() -> str | None:
    """Return the default model, or None where neither the environment nor `.env` chose any.

    A provider's key or address is a choice, and so is a `MODEL` alone: some need no key.
    """
    known = {**dotenv_values(ROOT / ".env"), **os.environ}
    return (known.get("MODEL") or DEFAULT_MODEL) if has_provider(known) else None


def has_provider(known: Mapping[str, str | None]) -> bool:
    """Tell whether variables choose a model or its provider."""
    return any(known.get(name) for name in ("MODEL", "WORKER_PROVIDERS", *provider_keys()))


@cache
def provider_keys() -> tuple[str, ...]:
    """Return the names of the providers' keys: those that compose hands to the worker."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    names = compose["services"]["worker"]["environment"]
    return tuple(name for name in names if name.endswith("_API_KEY"))


def demo_settings(base_url: str) -> dict[str, str]:
    """Return the settings that send every model call to the demo model."""
    providers = {"openai": {"base_url": base_url}}
    return {"MODEL": DEMO_MODEL, "WORKER_PROVIDERS": json.dumps(providers)}
