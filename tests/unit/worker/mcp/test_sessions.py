"""Sessions are shared, bounded in number, closed when idle, and never left half open."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from fakes import mcp_connection
from outlast import McpServer
from outlast_worker.mcp import sessions as module
from outlast_worker.mcp.access import ServerUnavailable
from outlast_worker.mcp.sessions import McpSessions

SERVER = McpServer("crm", url="https://crm.test/mcp")


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECTION", mcp_connection.__name__)
    mcp_connection.opened.clear()
    mcp_connection.closed.clear()


@pytest.fixture
async def sessions() -> AsyncIterator[McpSessions]:
    sessions = McpSessions()
    yield sessions
    await sessions.close()


async def use(sessions: McpSessions, who: str) -> str:
    async with sessions.session(SERVER, {"who": who}) as connection:
        return str(connection)


async def use_for_ever(sessions: McpSessions, who: str) -> None:
    async with sessions.session(SERVER, {"who": who}):
        await asyncio.Event().wait()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # a state that nobody tells of
            await asyncio.sleep(0.001)


async def test_shared(sessions: McpSessions) -> None:
    """Runs with the same credentials share one, others have their own."""
    await asyncio.gather(*(use(sessions, who) for who in ("ana", "ben", "ana")))
    assert sorted(mcp_connection.opened) == ["ana", "ben"]
    await sessions.close()
    assert sorted(mcp_connection.closed) == ["ana", "ben"]


async def test_idle() -> None:
    """One that nobody uses is closed; the next use opens another."""
    sessions = McpSessions(idle_s=0.01)
    async with sessions.session(SERVER, {"who": "ana"}):
        await use(sessions, "ben")
        await until(lambda: mcp_connection.closed == ["ben"])
    await until(lambda: mcp_connection.closed == ["ben", "ana"])
    assert await use(sessions, "ana") == "ana"
    assert mcp_connection.opened == ["ana", "ben", "ana"]
    await sessions.close()


async def test_as_many_as_may(sessions: McpSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used longest ago makes room; while all are used, the next one waits."""
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    await use(sessions, "ana")
    async with sessions.session(SERVER, {"who": "ben"}):
        async with sessions.session(SERVER, {"who": "cleo"}):
            await until(lambda: mcp_connection.closed == ["ana"])
            waiting = asyncio.create_task(use(sessions, "dan"))
            await asyncio.wait([waiting], timeout=0.02)
            assert "dan" not in mcp_connection.opened
        assert await waiting == "dan"


async def test_broken(sessions: McpSessions) -> None:
    """One whose connection broke is not given again."""
    with pytest.raises(ServerUnavailable):
        async with sessions.session(SERVER, {"who": "ana"}):
            raise ServerUnavailable("gone")
    await use(sessions, "ana")
    assert mcp_connection.opened == ["ana", "ana"]


async def test_stuck(sessions: McpSessions) -> None:
    """One in which call after call was broken off is not given again; who has it keeps it."""

    async def break_off() -> None:
        using = asyncio.create_task(use_for_ever(sessions, "ana"))
        await until(lambda: mcp_connection.opened[-1:] == ["ana"])
        await asyncio.sleep(0)
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using

    async with sessions.session(SERVER, {"who": "ana"}):
        for _ in range(2):
            await break_off()
        await use(sessions, "ana")  # which was answered
        for _ in range(3):
            await break_off()
        assert mcp_connection.opened == ["ana"]
        await use(sessions, "ana")
        assert mcp_connection.opened == ["ana", "ana"]
    assert not mcp_connection.closed  # the last one was answered after all
    for _ in range(3):
        await break_off()
    await until(lambda: mcp_connection.closed == ["ana"])


async def test_a_server_that_never_answers(
    sessions: McpSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as away, and what was begun of it is ended: no process of it stays."""
    monkeypatch.setattr(module, "OPEN_TIMEOUT_S", 0.01)
    with pytest.raises(ServerUnavailable, match=r"crm can't be reached: no answer in 0\.01 s"):
        await use(sessions, "never")
    assert mcp_connection.closed == ["never"]
