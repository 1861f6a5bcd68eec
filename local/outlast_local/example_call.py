"""A call to try first: of the first agent that the app serves."""

import json
import shlex
from typing import Any

from outlast.agent import Agent
from outlast.registry import load_registry
from outlast.settings import DEFAULT_MODEL
from outlast_app.settings import AppSettings
from outlast_local.restate_binary import ROOT

_INPUTS = {"support": "Where is my order A-1003?"}


def example_call(app_url: str) -> str:
    """Return a curl command that starts a run."""
    settings = AppSettings(_env_file=ROOT / ".env")  # pyright: ignore[reportCallIssue]  # pydantic-settings' own parameter
    agent = next(iter(load_registry(settings.agents, DEFAULT_MODEL)))
    # Any tenant's key would do, but a key is not for the terminal.
    key = " -H 'authorization: Bearer <a key of APP_KEYS>'" if settings.keys else ""
    return (
        f"curl {app_url}/agents/{agent.name}/runs -H 'content-type: application/json'{key} \\\n"
        f"  -d {shlex.quote(json.dumps(_body(agent), ensure_ascii=False))}"
    )


def _body(agent: Agent) -> dict[str, Any]:
    body: dict[str, Any] = {"input": _INPUTS.get(agent.name, "Hello")}
    if agent.placeholders:
        body["context"] = dict.fromkeys(agent.placeholders, "…")
    return body
