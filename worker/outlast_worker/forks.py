"""What a tool forks is never a second worker.

A process that a tool forks, as `multiprocessing` may, has all that this one has open, and goes on
in its middle. Were it left with the worker's sockets, it would hold the port of a worker that is
killed, and keep Restate from seeing that it is gone.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


class ForkGuard:
    """Takes the worker's sockets, and its event loop, from what is forked of it.

    Make it in the loop's thread. The sockets are told by their port, since not every server tells
    which ones it has opened.
    """

    def __init__(self, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread_id = threading.get_ident()
        self._port = port
        os.register_at_fork(after_in_child=self._cut_off)

    def _cut_off(self) -> None:
        """Do so, in the new process."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in list(_sockets_at(self._port)):
            # Not closed: what the process opens next would get the number of what it knows as this.
            os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)
        if threading.get_ident() == self._loop_thread_id and not self._loop.is_closed():
            # The forked code may do its work. When it gives way to the loop, that is its end.
            self._loop.call_soon(os._exit, 0)


def _sockets_at(port: int) -> Iterator[int]:
    """Yield what this process has open at a port: who listens there, and the connections."""
    for entry in Path("/dev/fd").iterdir():
        descriptor = int(entry.name)
        try:
            opened = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue  # no socket, or what the list was read from
        with opened:
            inet = opened.family in {socket.AF_INET, socket.AF_INET6}
            if inet and opened.getsockname()[1] == port:
                yield descriptor
