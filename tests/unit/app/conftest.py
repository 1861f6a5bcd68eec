"""An app in this process, with nothing behind it unless a test says so."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.front import Client, Connect
from outlast import Agent, tool
from outlast.registry import Registry
from outlast_app.main import create_app
from outlast_app.settings import AppSettings


@tool(needs_approval=True)
def hand_over(item: str) -> str:
    """Hand over.

    Args:
        item: What.
    """
    return item


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return the address of a server that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def connect(nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Connect:
    @asynccontextmanager
    async def connect(
        admin: str = nobody, ingress: str = nobody, **changes: Any
    ) -> AsyncIterator[Client]:
        monkeypatch.chdir(tmp_path)  # away from any `.env`
        # These have aliases, so that only the environment can set them.
        monkeypatch.setenv("RESTATE_INGRESS_URL", ingress)
        monkeypatch.setenv("RESTATE_ADMIN_URL", admin)
        settings = AppSettings(**changes)
        agents = [
            Agent(name="support", instructions="Help."),
            Agent(name="filled", instructions="Help {{company}} in {{city}}.", tools=[hand_over]),
        ]
        app = create_app(settings, Registry(agents, "openai/x"))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            Client(transport=transport, base_url="http://localhost") as client,
        ):
            yield client

    return connect


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect() as client:
        yield client
