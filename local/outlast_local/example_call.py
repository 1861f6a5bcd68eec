"""A call to try first: of the first agent that the app serves."""

import json
import os
import shlex

import httpx

from outlast.protocol import AgentDescription, AgentPage
from outlast_app.settings import AppSettings
from outlast_cli.program import outlast
from outlast_cli.settings import DEFAULT_URL, KEY, URL

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
    return f"{_client(app_url, 'list', needs_key=True)}\n\ncurl {app_url}/agents{_KEY}"


def _call(app_url: str, agent: AgentDescription, needs_key: bool) -> str:  # noqa: FBT001
    key = _KEY if needs_key else ""
    body: dict[str, object] = {"input": "Hello"}
    if agent.context:
        body["context"] = dict.fromkeys(agent.context, "…")
    return (
        f"{_client(app_url, 'chat', agent.name, needs_key=needs_key)}\n\n"
        f"curl {app_url}/agents/{agent.name}/runs -H 'content-type: application/json'{key} \\\n"
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def _client(app_url: str, *words: str, needs_key: bool) -> str:
    """Return a command for this app, with the variables that the user's shell does not have."""
    variables = [
        f"{URL}={app_url} " if app_url != os.environ.get(URL, DEFAULT_URL) else "",
        f"{KEY}=… " if needs_key and not os.environ.get(KEY) else "",
    ]
    return f"{''.join(variables)}{outlast(*words)}"
