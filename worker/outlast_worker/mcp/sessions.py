"""Sessions with MCP servers: opened when needed, shared by runs, closed when idle."""

import asyncio
import importlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from outlast.logging import get_logger
from outlast.mcp import McpServer
from outlast.registry import Registry
from outlast_worker.installed import NotInstalled
from outlast_worker.mcp.access import Access, ServerUnavailable, reason_of

if TYPE_CHECKING:
    from outlast_worker.mcp.connection import Connection

MAX_SESSIONS = 32
"""With one server at once: one for each set of credentials."""
OPEN_TIMEOUT_S = 30.0
"""Of a session, the start of its command included."""
_CLOSE_TIMEOUT_S = 10.0
_STUCK_AFTER = 3
"""Uses that were broken off, one after the other, with none in between that came to its end."""
_CONNECTION = "outlast_worker.mcp.connection"

_logger = get_logger()
_Key = tuple[McpServer, tuple[tuple[str, str], ...]]
"""A server, with what opens a session."""


def check_servers(registry: Registry) -> None:
    """Refuse agents with MCP servers where nothing can speak to them.

    Raises:
        NotInstalled: The library is missing.
    """
    for agent in registry:
        if agent.mcp and find_spec("mcp") is None:
            raise NotInstalled(
                f"The agent {agent.name} has MCP servers, and the library that speaks to them is "
                'not installed. Run: pip install "outlast-worker[mcp]"'
            )


@dataclass(eq=False)
class _Session:
    """One session, held open by a task of its own: the library insists on one."""

    key: _Key
    connection: "asyncio.Future[Connection]"
    done: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0
    used_at: float = 0.0
    broken_off: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def server(self) -> McpServer:
        """Whom it is with."""
        return self.key[0]

    @property
    def takes_another(self) -> bool:
        """Whether one more may use it now."""
        if self.is_over or self.is_stuck:
            return False
        if not self.users or not self.server.elicitation:
            return True
        opened = self.connection
        return opened.done() and not opened.exception() and opened.result().is_shareable

    @property
    def is_stuck(self) -> bool:
        """Whether the server seems to answer nobody any more, though it is there."""
        return self.broken_off >= _STUCK_AFTER

    @property
    def is_over(self) -> bool:
        return self.done.is_set() or self.task is None or self.task.done()


class McpSessions:
    """All sessions of this process.

    Args:
        idle_s: A session that nobody has used for so long is closed.
        clock: Tells seconds, of any beginning.
        make_room: Gives up a use of a server's sessions, if there is one that can be given up.
    """

    def __init__(
        self,
        idle_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        make_room: Callable[[McpServer], None] = lambda _: None,
    ) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self.make_room = make_room
        self._sessions: list[_Session] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def session(self, server: McpServer, access: Access) -> "AsyncGenerator[Connection]":
        """Give a session with a server, as others may have it at the same time.

        But where the server may ask people, and could not say which call asks: one for this use.
        One whose connection breaks meanwhile is not given again, nor one that seems to be stuck.

        Raises:
            ServerUnavailable: It can't be opened.
        """
        key = (server, tuple(sorted(access.items())))
        session = await self._take(key, access)
        try:
            yield await asyncio.shield(session.connection)
            session.broken_off = 0
        except ServerUnavailable:
            session.done.set()
            raise
        except asyncio.CancelledError:
            session.broken_off += 1
            raise
        except Exception:
            session.broken_off = 0  # that was an answer
            raise
        finally:
            session.users -= 1
            session.used_at = self._clock()
            if session.is_stuck and not session.users:
                session.done.set()
            async with self._freed:
                self._freed.notify_all()

    async def close(self) -> None:
        """Close all sessions; commands that were started end."""
        for session in self._sessions:
            session.done.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()

    async def _take(self, key: _Key, access: Access) -> _Session:
        async with self._freed:
            while True:
                of_key = (each for each in self._sessions if each.key == key)
                if session := next((each for each in of_key if each.takes_another), None):
                    session.users += 1
                    return session
                if self._has_room(key[0]):
                    break
                self.make_room(key[0])
                await self._freed.wait()
            opened = asyncio.get_running_loop().create_future()
            session = _Session(key, opened, users=1, used_at=self._clock())
            session.task = asyncio.create_task(self._hold(session, access))
            self._tasks.add(session.task)
            session.task.add_done_callback(self._tasks.discard)
            self._sessions.append(session)
            return session

    def _has_room(self, server: McpServer) -> bool:
        """Make room for one more session, if it can be had without ending one that is used."""
        open_now = [each for each in self._sessions if each.server is server]
        open_now = [each for each in open_now if not each.is_over]
        if len(open_now) < MAX_SESSIONS:
            return True
        unused = [each for each in open_now if not each.users]
        if unused:
            min(unused, key=lambda each: each.used_at).done.set()
        return bool(unused)

    async def _hold(self, session: _Session, access: Access) -> None:
        try:
            library: Any = await asyncio.to_thread(importlib.import_module, _CONNECTION)
            async with (
                asyncio.timeout(OPEN_TIMEOUT_S) as opening,
                library.connect(session.server, access) as connection,
            ):
                opening.reschedule(None)
                session.connection.set_result(connection)
                _logger.info("mcp_session_opened", server=session.server.name)
                await self._wait_until_idle(session)
        except Exception as error:  # noqa: BLE001  # whatever a server or the library does
            late = isinstance(error, TimeoutError)
            reason = f"no answer in {OPEN_TIMEOUT_S:g} s" if late else reason_of(error, access)
            if session.connection.done():
                _logger.warning("mcp_session_broke", server=session.server.name, reason=reason)
            else:
                session.connection.set_exception(
                    ServerUnavailable(
                        f"The MCP server {session.server.name} can't be reached: {reason}"
                    )
                )
                session.connection.exception()  # nobody may be left to hear it
        finally:
            session.done.set()
            if not session.connection.done():  # a cancellation here is not that of who waits
                gave_up = f"The MCP server {session.server.name} was given up on."
                session.connection.set_exception(ServerUnavailable(gave_up))
                session.connection.exception()
            self._sessions.remove(session)

    async def _wait_until_idle(self, session: _Session) -> None:
        while not session.is_over:
            idle_at = session.used_at + self._idle_s
            if not session.users and self._clock() >= idle_at:
                session.done.set()
                return
            wait_s = self._idle_s if session.users else max(idle_at - self._clock(), 0.01)
            with suppress(TimeoutError):
                await asyncio.wait_for(session.done.wait(), wait_s)
