"""A process that can't listen says where, and which setting to change."""

import socket
from collections.abc import Callable

import pytest

from fakes.local_command import ONE_PROCESS, WORKER, LocalCommand, outlast


@pytest.mark.parametrize(
    ("command", "variable"),
    [(WORKER, "WORKER_PORT"), (ONE_PROCESS, "WORKER_PORT"), (ONE_PROCESS, "APP_PORT")],
)
def test_one_process(start: Callable[..., LocalCommand], command: list[str], variable: str) -> None:
    """It names the port and its setting in one line, and ends."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        process = start(command, MODEL="openai/x", **{variable: port})
        process.wait_to_end()
    assert process.process.returncode == 1
    [line] = process.said().splitlines()
    assert f"127.0.0.1:{port}" in line
    assert f"set {variable} to another port" in line


@pytest.mark.parametrize("command", ["up", "dev"])
def test_a_stack(start: Callable[..., LocalCommand], command: str) -> None:
    """Nothing is started where a part could not be."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        stack = start(outlast(command), RESTATE_ADMIN_PORT=port)
        stack.wait_to_end()
    assert stack.process.returncode == 1
    assert f"Port {port} is taken." in stack.said()
    assert "RESTATE_ADMIN_PORT" in stack.said()
    assert stack.left() == []
