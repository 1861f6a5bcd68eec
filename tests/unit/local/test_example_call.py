"""The call that is shown first goes to an agent that exists, with what it needs."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from outlast import Agent
from outlast.protocol import AgentPage
from outlast.registry import Registry
from outlast_app.keyring import hash_of_key
from outlast_app.settings import AppSettings
from outlast_local.example_call import example_call

AGENT = Agent(name="mine", instructions="Help {{company}}.")


class App(BaseHTTPRequestHandler):
    """Lists one agent, to those who have the key."""

    def do_GET(self) -> None:
        asked = (self.path, self.headers.get("authorization"))
        assert asked == ("/agents", "Bearer secret-1")
        described = Registry([AGENT], "openai/x").describe(AGENT)
        body = AgentPage(items=[described], next_cursor=None).model_dump_json().encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), App) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell of a newcomer, who has set nothing yet."""
    for name in ("OUTLAST_URL", "OUTLAST_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_call_to_try(url: str) -> None:
    """It has the agent's name and context, and says that it needs a key without showing one."""
    settings = AppSettings.model_validate({"AGENTS": "mine", "keys": {"acme": ["secret-1"]}})
    shown = example_call(url, settings)
    assert f"OUTLAST_URL={url} OUTLAST_KEY=… outlast chat mine\n" in shown
    assert f"curl {url}/agents/mine/runs" in shown
    body = shown.partition("-d ")[2].strip("'")
    assert json.loads(body) == {"input": "Hello", "context": {"company": "…"}}
    assert "authorization: Bearer" in shown
    assert "secret-1" not in shown


def test_what_the_shell_has_is_not_said_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command has the variables before it that it needs, and no others."""
    monkeypatch.setenv("OUTLAST_URL", url)
    monkeypatch.setenv("OUTLAST_KEY", "secret-1")
    settings = AppSettings.model_validate({"AGENTS": "mine", "keys": {"acme": ["secret-1"]}})
    assert example_call(url, settings).startswith("outlast chat mine\n")


def test_a_key_that_is_only_known_by_its_hash(url: str) -> None:
    """Nobody here can ask the app then: what is shown is how a client asks for its agents."""
    key = {"name": "desk", "sha256": hash_of_key("secret-1"), "rights": ["read"]}
    settings = AppSettings.model_validate({"AGENTS": "mine", "keys": {"acme": [key]}})
    shown = example_call(url, settings)
    assert f"curl {url}/agents -H 'authorization: Bearer" in shown
    assert "outlast list\n" in shown
