"""Which model a local stack talks to: the one that was chosen, else the demo model."""

import json
import os
from collections.abc import Mapping

from dotenv import dotenv_values

from outlast.providers import COMMON_KEYS
from outlast.settings import DEFAULT_MODEL

DEMO_MODEL = "openai/demo"


def chosen_model() -> str | None:
    """Return the default model, or None where neither the environment nor `.env` chose any.

    A provider's key or address is a choice, and so is a `MODEL` alone: some need no key.
    """
    known = {**dotenv_values(".env"), **os.environ}
    return (known.get("MODEL") or DEFAULT_MODEL) if has_provider(known) else None


def has_provider(known: Mapping[str, str | None]) -> bool:
    """Tell whether variables choose a model or its provider."""
    return any(known.get(name) for name in ("MODEL", "WORKER_PROVIDERS", *COMMON_KEYS))


def demo_settings(base_url: str) -> dict[str, str]:
    """Return the settings that send every model call to the demo model."""
    providers = {"openai": {"base_url": base_url}}
    return {"MODEL": DEMO_MODEL, "WORKER_PROVIDERS": json.dumps(providers)}
