"""What a tool forks, or starts, is never a second worker; a tool that stops the loop ends it."""

import http.client
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fakes.waiting import DEADLINE_S, wait_until
from outlast_local.ports import free_ports

SERVER = """
import asyncio, os, subprocess, sys, time
from outlast_worker.asgi import answer
from outlast_worker.http_servers import choose_server
from outlast_worker.listening import listen
from outlast_worker.running import run_whole
from outlast_worker.tools.author_code import await_safely, call_safely

async def tool():
    {tool}

async def app(scope, receive, send):
    if scope["type"] == "http":
        await answer(receive, send, 200, b"hello")

async def call():
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", {port})
            writer.write(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            await reader.readuntil(b"hello")
        except ConnectionError:
            await asyncio.sleep(0.01)  # it is not there yet
        else:
            return reader, writer

async def main():
    listener = listen("127.0.0.1", {port}, "WORKER")
    serving = asyncio.create_task(choose_server("{server}")(app, listener, asyncio.Event()))
    kept_open = await call()
    try:
        await await_safely(tool)
    except Exception as error:
        print(error, flush=True)
    print("served", flush=True)
    await serving

run_whole(main())
"""


@pytest.fixture
def port() -> int:
    [port] = free_ports(1)
    return port


@pytest.fixture
def server_name(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "hypercorn")


class Server:
    """A server in a process of its own, one of whose tools was called."""

    def __init__(self, folder: Path, port: int, name: str, tool: str) -> None:
        script = folder / "server.py"
        script.write_text(SERVER.format(tool=tool, port=port, server=name))
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(script)], stdout=output, stderr=output
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_to_serve(self) -> None:
        wait_until(lambda: "served" in self.said() or self.process.poll() is not None, "the server")
        assert self.process.poll() is None, self.said()

    def children(self) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children()
        return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]


Start = Callable[[str], Server]


@pytest.fixture
def start(tmp_path: Path, port: int, server_name: str) -> Iterator[Start]:
    """Starts a server; it and what it forked are ended with the test."""
    started: list[Server] = []

    def start_server(tool: str) -> Server:
        started.append(Server(tmp_path, port, server_name, tool))
        return started[-1]

    yield start_server
    for server in started:
        for child in server.children() if server.process.poll() is None else ():
            child.kill()
        server.process.kill()
        server.process.wait()


FORKS_AND_EXITS = "os.fork() or sys.exit()"
FORKS_AND_RAISES = "os.fork() or 1 / 0"
FORKS_AND_RETURNS = "os.fork()"
FORKS_AND_WAITS = "os.fork() or await asyncio.sleep(60)"
IN_A_THREAD = "await asyncio.to_thread(call_safely, lambda: os.fork() or {end})"


@pytest.mark.parametrize(
    "tool",
    [
        FORKS_AND_EXITS,
        FORKS_AND_RAISES,
        FORKS_AND_RETURNS,
        FORKS_AND_WAITS,
        IN_A_THREAD.format(end="sys.exit()"),
        IN_A_THREAD.format(end="1 / 0"),
        IN_A_THREAD.format(end="None"),
    ],
)
def test_a_fork_that_has_ended(start: Start, tool: str) -> None:
    """It does not go on as a worker, however its code ends."""
    server = start(tool)
    server.wait_to_serve()
    wait_until(lambda: not server.children(), "the fork to end")
    assert server.said().count("served") == 1
    assert server.process.poll() is None


@pytest.mark.parametrize("server_name", ["hypercorn", "granian"], indirect=True)
@pytest.mark.parametrize(
    "tool",
    [
        "os.fork() or time.sleep(60)",
        "subprocess.Popen(['sleep', '60'], close_fds=False)",
    ],
)
def test_the_port_is_free_after_a_kill(start: Start, port: int, tool: str) -> None:
    """What a tool has forked or started, and is still there, does not hold the worker's port."""
    server = start(tool)
    server.wait_to_serve()
    [left] = server.children()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    server.process.kill()
    server.process.wait()
    try:
        assert connection.sock.recv(1) == b""
        assert left.is_running()
        assert all(end.laddr.port != port for end in left.net_connections())
        with socket.create_server(("127.0.0.1", port)):
            pass
    finally:
        left.kill()
        connection.close()


def test_a_fork_does_its_work(start: Start) -> None:
    """`multiprocessing` works in tools."""
    server = start(
        "import multiprocessing; pool = multiprocessing.get_context('fork').Pool(1);"
        "print(pool.apply(sum, ([1, 2],)), flush=True); pool.terminate()"
    )
    server.wait_to_serve()
    assert server.said().splitlines()[0] == "3"


def test_a_tool_that_stops_the_loop(start: Start) -> None:
    """The process ends, as after a crash, for its supervisor to start it again."""
    server = start("asyncio.get_running_loop().stop(); await asyncio.sleep(60)")
    assert server.process.wait(DEADLINE_S) == 1
    assert "event_loop_stopped" in server.said()
