"""Opens the doors and serves until they are closed."""

import errno
import logging
import socket
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpProcessingError

from outlast.addresses import Address
from outlast.hosts import Hosts
from outlast_local.guard.proxy import HEADER_BYTES, Door
from outlast_local.guard.visitors import Doorkeeper, DoorName

_BACKLOG = 1024
# Of a connection on which nothing happens; clients keep theirs for less.
_IDLE_S = 75
# For answers that are on their way; those that wait for a run are cut.
_GRACE_S = 0.5
_aiohttp_logger = logging.getLogger(__name__)


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Tell whether aiohttp logs more than that a request was malformed, as any page can send."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_aiohttp_logger.addFilter(_is_our_fault)


class ListenError(Exception):
    """Nobody can listen at this address. The message says what to change."""


@dataclass(frozen=True)
class OpenDoor:
    """A door that can be knocked at."""

    name: DoorName
    listener: socket.socket
    restate: Address

    @property
    def port(self) -> int:
        """Of the address that it listens at."""
        return self.listener.getsockname()[1]


def listen(name: DoorName, host: str, port: int) -> socket.socket:
    """Listen at an address.

    Raises:
        ListenError: With the setting to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        fix = (
            f"End what listens there, or set RESTATE_{name.upper()}_PORT to another port."
            if error.errno == errno.EADDRINUSE
            else "Name an address of this machine."
        )
        reason = str(error.strerror).partition(" (while")[0]  # asides of Python's own
        raise ListenError(f"Can't listen at {host}:{port}: {reason}. {fix}") from error


@asynccontextmanager
async def serving(
    doors: Sequence[OpenDoor],
    hosts: Collection[str] = (),
    ports: Collection[int] = (),
    origins: Collection[str] = (),
) -> AsyncGenerator[None]:
    """Serve at doors, which are closed in the end.

    Args:
        doors: Of one Restate: its UI at one calls the other.
        hosts: Names other than loopback's under which the doors are called.
        ports: Other ones that lead to the doors.
        origins: Pages other than the UI's that may come in.
    """
    own_ports = frozenset((*ports, *(door.port for door in doors)))
    async with AsyncExitStack() as stack:
        for opened in doors:
            keeper = Doorkeeper(opened.name, Hosts(hosts), own_ports, origins)
            door = Door(opened.name, opened.restate, keeper)
            stack.push_async_callback(door.close)
            server = web.Server(
                door.answer,
                handler_cancellation=True,  # who is gone waits for nothing at Restate either
                keepalive_timeout=_IDLE_S,
                access_log=None,
                logger=_aiohttp_logger,
                auto_decompress=False,
                max_line_size=HEADER_BYTES,
                max_field_size=HEADER_BYTES,
            )
            runner = web.ServerRunner(server, shutdown_timeout=_GRACE_S)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, opened.listener, backlog=_BACKLOG).start()
        yield
