"""Others' MCP servers, as they are published: both generations of the protocol, both transports.

`make setup-test` installs them in folders of their own.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fakes.mcp_servers import listens
from fakes.mcp_worker import Worker, answered
from fakes.waiting import wait_until
from outlast import InDoubt, McpServer, ToolContext, ToolError, ToolOutput
from outlast_local.ports import free_ports
from outlast_worker.engine.records import ServerAsks

_INSTALLED = Path(__file__).parents[3] / ".venv" / "third_party"
_FROM_NPM = _INSTALLED / "node_modules" / ".bin"
_FROM_PYPI = _INSTALLED / "python" / "bin"

pytestmark = pytest.mark.skipif(
    not (_INSTALLED / ".synced").exists() or shutil.which("node") is None,
    reason="others' MCP servers are not installed, or node is missing: run make setup-test",
)
Connect = Callable[..., Worker]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect with a server by its name."""
    workers: list[Worker] = []

    def start(name: str, *arguments: str, **options: Any) -> Worker:
        folder = _FROM_PYPI if name in ("time", "git") else _FROM_NPM
        command = [str(folder / f"mcp-server-{name}"), *arguments]
        options.setdefault("command", None if "url" in options else command)
        workers.append(Worker(McpServer(name, **options)))
        return workers[-1]

    yield start
    for worker in workers:
        await worker.tools.close()


class Served(NamedTuple):
    """A server that is reached over HTTP."""

    url: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture
def everything_over_http(tmp_path: Path) -> Iterator[Served]:
    port = free_ports(1)[0]
    process = subprocess.Popen(
        [str(_FROM_NPM / "mcp-server-everything"), "streamableHttp"],
        env={**os.environ, "PORT": str(port)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        wait_until(lambda: listens(port), "the server to listen")
        yield Served(f"http://127.0.0.1:{port}/mcp", process)
    finally:
        process.kill()
        process.wait()


def parts_of(result: Any) -> list[str]:
    assert isinstance(result, ToolOutput)
    return [part.type for part in result.parts]


async def test_everything(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """All kinds of results; nothing of the worker's environment; nothing that needs a model."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    worker = connect("everything", "stdio")
    tools = await worker.list()
    assert not any("sampling" in name or "elicitation" in name for name in tools)
    assert tools["echo"].effect == "read"
    assert await worker.call("echo", message="hello") == "Echo: hello"
    assert "42" in await worker.call("get-sum", a=40, b=2)
    assert parts_of(await worker.call("get-tiny-image")) == ["text", "image", "text"]
    annotated = await worker.call("get-annotated-message", messageType="error", includeImage=True)
    assert parts_of(annotated) == ["text", "image"]
    links = await worker.call("get-resource-links", count=2)
    assert "demo://resource" in links
    told = await worker.call("get-resource-reference", resourceType="Text", resourceId=1)
    assert "demo://resource/dynamic/text/1" in told
    blob = await worker.call("get-resource-reference", resourceType="Blob", resourceId=1)
    assert isinstance(blob, ToolOutput)
    structured = await worker.call("get-structured-content", location="Chicago")
    assert "temperature" in structured
    assert "sk-secret" not in await worker.call("get-env")
    with pytest.raises(ToolError, match="location"):
        await worker.call("get-structured-content", location="Paris")


async def test_progress(connect: Connect) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    def hear(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    worker = connect("everything", "stdio")
    context = ToolContext.for_test(tenant="acme", on_progress=hear)
    tool = worker.tools.find(worker.agent, (await worker.list())["trigger-long-running-operation"])
    assert tool
    await tool.fn(**{"duration": 0.2, "steps": 2, str(tool.context_parameter): context})
    assert [done for done, _, _ in heard] == [1, 2]


async def _fill_in(worker: Worker) -> None:
    asks = await worker.call("trigger-elicitation-request")
    assert isinstance(asks, ServerAsks)
    [question] = asks.questions
    assert question.content_schema
    assert question.content_schema["required"] == ["name"]
    given = answered(asks, name="Ann", integer=7, untitledMultipleSelectEnum=["Piano"])
    told = await worker.call("trigger-elicitation-request", given)
    assert "Ann" in told
    assert "Piano" in told


async def test_what_everything_asks(connect: Connect) -> None:
    """A form, a page, and a page without which the call is not taken at all."""
    worker = connect("everything", "stdio", elicitation=True)
    await _fill_in(worker)
    page = {"url": "https://sign.example/1", "message": "Sign."}
    asks = await worker.call("trigger-url-elicitation", **page)
    assert asks.questions[0].url == page["url"]
    told = await worker.call("trigger-url-elicitation", answered(asks), **page)
    assert "completed the URL elicitation" in told
    before = await worker.call("trigger-url-elicitation", errorPath=True, **page)
    assert before.questions[0].url == "https://modelcontextprotocol.io"
    asks = await worker.call("trigger-url-elicitation", answered(before), errorPath=True, **page)
    assert asks.questions[0].url == page["url"]


async def test_everything_over_http(connect: Connect, everything_over_http: Served) -> None:
    """The same over streamable HTTP; a call that its end cuts is in doubt."""
    worker = connect("everything", url=everything_over_http.url, elicitation=True)
    assert await worker.call("echo", message="hello") == "Echo: hello"
    assert parts_of(await worker.call("get-tiny-image")) == ["text", "image", "text"]
    await _fill_in(worker)
    asks = await worker.call("trigger-elicitation-request")
    everything_over_http.process.kill()
    with pytest.raises(InDoubt):
        await worker.call("trigger-elicitation-request", answered(asks, name="Ann"))


async def test_a_server_that_is_killed(connect: Connect, tmp_path: Path) -> None:
    """It is started again for the next call, and has what it had written."""
    file = tmp_path / "memory.jsonl"
    command = ["sh", "-c", f'echo $$ > {tmp_path}/pid; exec "$0"', f"{_FROM_NPM}/mcp-server-memory"]
    worker = connect("memory", command=command, env={"MEMORY_FILE_PATH": str(file)})
    lamp = {"name": "lamp", "entityType": "item", "observations": ["is broken"]}
    await worker.call("create_entities", entities=[lamp])
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert "is broken" in await worker.call("read_graph")


async def test_files(connect: Connect, tmp_path: Path) -> None:
    """What is outside of its folder a server refuses, in words for the model."""
    image = b"\x89PNG\r\n\x1a\n" + b"0" * 16
    (tmp_path / "lamp.png").write_bytes(image)
    worker = connect("filesystem", str(tmp_path))
    assert (await worker.list())["write_file"].effect == "idempotent"
    await worker.call("write_file", path=f"{tmp_path}/note.txt", content="Hello")
    assert await worker.call("read_text_file", path=f"{tmp_path}/note.txt") == "Hello"
    shown = await worker.call("read_media_file", path=f"{tmp_path}/lamp.png")
    assert parts_of(shown) == ["image"]
    with pytest.raises(ToolError, match="denied"):
        await worker.call("read_text_file", path="/etc/passwd")


async def test_thinking(connect: Connect) -> None:
    thought = {"thought": "First.", "thoughtNumber": 1, "totalThoughts": 2}
    told = await connect("sequential-thinking").call(
        "sequentialthinking", nextThoughtNeeded=True, **thought
    )
    assert '"thoughtNumber": 1' in told


async def test_time(connect: Connect) -> None:
    worker = connect("time")
    zones = {"source_timezone": "Europe/Berlin", "target_timezone": "Asia/Tokyo"}
    told = await worker.call("convert_time", time="12:00", **zones)
    assert "Asia/Tokyo" in told
    with pytest.raises(ToolError, match="Mars"):
        await worker.call("get_current_time", timezone="Mars/Olympus")


async def test_git(connect: Connect, tmp_path: Path) -> None:
    """What a server says it does once is done once."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    git("config", "user.name", "Ann")
    git("config", "user.email", "ann@example.org")
    (tmp_path / "note.txt").write_text("Hello")
    worker = connect("git", "--repository", str(tmp_path))
    assert (await worker.list())["git_commit"].effect == "once"
    repository = {"repo_path": str(tmp_path)}
    await worker.call("git_add", files=["note.txt"], **repository)
    await worker.call("git_commit", message="Say hello", **repository)
    assert git("log", "--format=%s") == "Say hello\n"
    assert "Say hello" in await worker.call("git_log", **repository)
