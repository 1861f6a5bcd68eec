"""A call to try first: of the first agent that the app serves."""

import json
import shlex

import httpx

from outlast.protocol import AgentDescription, AgentPage
from outlast_app.settings import AppSettings

_TIMEOUT_S = 5
# Any tenant's key would do, but a key is not for the terminal.
_KEY = " -H 'authorization: Bearer <a key of APP_KEYS>'"


def example_call(app_url: str, settings: AppSettings) -> str:
    """Return commands that start a run.

    Args:
        app_url: Where the app serves.
        settings: The app's, for a key.
    """
    keys = [key for keys in settings.keys.values() for key in keys]
    plain = next((key.plain for key in keys if key.plain), None)
    if keys and not plain:  # nobody here can ask as a client does
        return _listing(app_url)
    # Asked of the app, since agents are imported there and nowhere else.
    headers = {"Authorization": f"Bearer {plain.get_secret_value()}"} if plain else {}
    answer = httpx.get(
        f"{app_url}/agents", headers=headers, trust_env=False, timeout=_TIMEOUT_S
    ).raise_for_status()
    return _call(app_url, AgentPage.model_validate_json(answer.content).items[0], bool(keys))


def _listing(app_url: str) -> str:
    return f"outlast list\n\ncurl {app_url}/agents{_KEY}"


def _call(app_url: str, agent: AgentDescription, needs_key: bool) -> str:  # noqa: FBT001
    key = _KEY if needs_key else ""
    body: dict[str, object] = {"input": "Hello"}
    if agent.context:
        body["context"] = dict.fromkeys(agent.context, "…")
    return (
        f"outlast chat {agent.name}\n\n"
        f"curl {app_url}/agents/{agent.name}/runs -H 'content-type: application/json'{key} \\\n"
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
