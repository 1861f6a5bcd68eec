"""Which model a local stack talks to: the one that was chosen, else the demo model."""

import json
from collections.abc import Mapping

from dotenv import dotenv_values

from dev.restate_binary import ROOT

DEMO_MODEL = "openai/demo"


def has_provider(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment or `.env` has a provider's key or address, or a model.

    Some models need no key, so a `MODEL` alone is a choice too.
    """
    known = {**dotenv_values(ROOT / ".env"), **environment}
    return any(
        value and (name in ("MODEL", "WORKER_PROVIDERS") or name.endswith("_API_KEY"))
        for name, value in known.items()
    )


def demo_settings(base_url: str) -> dict[str, str]:
    """Return the settings that send every model call to the demo model."""
    providers = {"openai": {"base_url": base_url}}
    return {"MODEL": DEMO_MODEL, "WORKER_PROVIDERS": json.dumps(providers)}
