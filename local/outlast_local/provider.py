"""Which model a local stack talks to: the one that was chosen, else the demo model."""

import json
import os

from dotenv import dotenv_values

from outlast.providers import choose_model, mistaken_key
from outlast.settings import DEFAULT_MODEL

DEMO_MODEL = "openai/demo"


def chosen_model() -> str | None:
    """Return the default model, or None where neither the environment nor `.env` chose any.

    A provider's key or address is a choice, and so is a `MODEL` alone: some need no key.
    """
    known = _known()
    return (known.get("MODEL") or DEFAULT_MODEL) if choose_model(known) else None


def describe_model() -> str:
    """Say which model answers, and why it is none that was chosen."""
    if model := chosen_model():
        return model
    why = "no provider key found"
    if mistaken := mistaken_key(_known()):
        given, meant = mistaken
        why += f"; if {given} is one, call it {meant}"
    return f"the demo model, a stand-in ({why})"


def demo_settings(base_url: str) -> dict[str, str]:
    """Return the settings that send every model call to the demo model."""
    providers = {"openai": {"base_url": base_url}}
    return {"MODEL": DEMO_MODEL, "WORKER_PROVIDERS": json.dumps(providers)}


def _known() -> dict[str, str | None]:
    return {**dotenv_values(".env"), **os.environ}
