"""How the worker listens, and what becomes of hypercorn's connections."""

import errno
from typing import Any

import hypercorn.asyncio.run
import hypercorn.config
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Sockets
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol

from outlast.errors import OutlastError
from outlast_worker.forks import ForkGuard

# Of the loop, until what runs have to say is written. Meanwhile others speak, and a step that waits
# for nothing ends: that it began and how it ended go out together.
_TURNS = 8


class ListenError(OutlastError):
    """Nobody can listen at this address. The message says what to change."""


class Listener(hypercorn.config.Config):
    """What hypercorn serves with, over sockets that listen already."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets
        for socket in sockets.insecure_sockets:
            # Nor do programs that a tool starts inherit it.
            socket.set_inheritable(False)
        ForkGuard(self.address()[1])

    def create_sockets(self) -> Sockets:
        """Return the sockets, as hypercorn asks for them."""
        return self._sockets

    def address(self) -> tuple[str, int]:
        """Return the host and the port."""
        host, port, *_ = self._sockets.insecure_sockets[0].getsockname()
        return host, port

    def release(self) -> tuple[str, int]:
        """Leave the address to a server that listens by itself, and return it."""
        address = self.address()
        for socket in self._sockets.insecure_sockets:
            socket.close()
        return address


def listen(host: str, port: int, prefix: str) -> Listener:
    """Listen at an address, and return what hypercorn serves there with.

    Args:
        host: The address.
        port: The port.
        prefix: Of the settings for it, such as `WORKER`.

    Raises:
        ListenError: With the setting to change.
    """
    config = hypercorn.config.Config()
    config.bind = [f"{host}:{port}"]
    try:
        sockets = config.create_sockets()
        for socket in sockets.insecure_sockets:
            socket.listen(config.backlog)
    except OSError as error:
        fix = (
            f"End what listens there, or set {prefix}_PORT to another port."
            if error.errno == errno.EADDRINUSE
            else f"Correct {prefix}_HOST or {prefix}_PORT."
        )
        raise ListenError(f"Can't listen at {host}:{port}: {error.strerror}. {fix}") from error
    return Listener(sockets)


class _Connection(TCPServer):
    """A connection that ends when its client does, and writes at once what many runs have to say.

    hypercorn would keep its half until the connection had been idle for as long as it may be. And
    it would ask the system to write each frame by itself, which takes more than to make it.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._unwritten = bytearray()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated) and self.reader.at_eof():
            return None
        if not (isinstance(event, RawData) and isinstance(self.protocol.protocol, H2Protocol)):
            return await super().protocol_send(event)
        if not self._unwritten:
            self._write_after(_TURNS)
        self._unwritten += event.data
        try:
            return await self.writer.drain()
        except ConnectionError:
            return await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()

    async def _close(self) -> None:
        self._write()
        await super()._close()

    def _write_after(self, turns: int) -> None:
        if turns:
            self.loop.call_soon(self._write_after, turns - 1)
        else:
            self._write()

    def _write(self) -> None:
        data, self._unwritten = self._unwritten, bytearray()
        if data and not self.writer.is_closing():
            self.writer.write(data)


hypercorn.asyncio.run.TCPServer = _Connection  # pyright: ignore[reportPrivateImportUsage]  # where it is looked up
