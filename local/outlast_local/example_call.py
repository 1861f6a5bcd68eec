"""A call to try first: of the first agent that the app serves."""

import json
import shlex

import httpx

from outlast.protocol import AgentDescription, AgentPage
from outlast_app.settings import AppSettings

_TIMEOUT_S = 5


def example_call(app_url: str, settings: AppSettings) -> str:
    """Return commands that start a run.

    Args:
        app_url: Where the app serves.
        settings: The app's, for a key.
    """
    keys = [key for keys in settings.keys.values() for key in keys]
    # Asked of the app, since agents are imported there and nowhere else.
    headers = {"Authorization": f"Bearer {keys[0].get_secret_value()}"} if keys else {}
    answer = httpx.get(
        f"{app_url}/agents", headers=headers, trust_env=False, timeout=_TIMEOUT_S
    ).raise_for_status()
    return _call(app_url, AgentPage.model_validate_json(answer.content).items[0], bool(keys))


def _call(app_url: str, agent: AgentDescription, needs_key: bool) -> str:  # noqa: FBT001
    # Any tenant's key would do, but a key is not for the terminal.
    key = " -H 'authorization: Bearer <a key of APP_KEYS>'" if needs_key else ""
    body: dict[str, object] = {"input": "Hello"}
    if agent.context:
        body["context"] = dict.fromkeys(agent.context, "…")
    return (
        f"outlast chat {agent.name}\n\n"
        f"curl {app_url}/agents/{agent.name}/runs -H 'content-type: application/json'{key} \\\n"
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
