"""Runs `mcp_server.py`, and reads what it noted."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fakes.waiting import wait_until
from outlast import McpServer
from outlast_local.ports import free_ports

_FILE = Path(__file__).with_name("mcp_server.py")
_ASKING = Path(__file__).with_name("mcp_asking_server.py")


class Notes:
    """What servers did, in the order in which they did it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[str]:
        return self.path.read_text().split() if self.path.exists() else []

    def wait_for(self, word: str) -> None:
        wait_until(lambda: word in self.read(), f"the server to note {word!r}")


def stdio_server(notes: Notes, **options: Any) -> McpServer:
    """Declare a server that the worker starts."""
    env = {"MCP_NOTES": str(notes.path), **options.pop("env", {})}
    return McpServer("fake", command=[sys.executable, str(_FILE)], env=env, **options)


def asking_server(notes: Notes, **options: Any) -> McpServer:
    """Declare a server that asks people, in the way of 2025."""
    env = {"MCP_NOTES": str(notes.path)}
    return McpServer(
        "asking", command=[sys.executable, str(_ASKING)], env=env, elicitation=True, **options
    )


@contextmanager
def http_server(notes: Notes, port: int | None = None) -> Iterator[str]:
    """Run a server of its own; give its URL."""
    port = port or free_ports(1)[0]
    process = subprocess.Popen(
        [sys.executable, str(_FILE), "--port", str(port)],
        env={**os.environ, "MCP_NOTES": str(notes.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: listens(port), "the MCP server to listen")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
