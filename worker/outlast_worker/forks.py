"""What a tool forks is never a second worker.

A process that a tool forks, as `multiprocessing` may, has all that this one has open, and goes on
in its middle. Were it left with the worker's sockets, it would hold the port of a worker that is
killed, and keep Restate from seeing that it is gone.
"""

import asyncio
import os
import threading


class ForkGuard:
    """Takes the worker's sockets, and its event loop, from what is forked of it.

    Make it in the loop's thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread_id = threading.get_ident()
        self._descriptors: set[int] = set()
        os.register_at_fork(after_in_child=self._cut_off)

    def hold(self, descriptor: int) -> None:
        """Take this socket from forks, until it is released."""
        self._descriptors.add(descriptor)

    def release(self, descriptor: int) -> None:
        """Forget a socket that is closed."""
        self._descriptors.discard(descriptor)

    def _cut_off(self) -> None:
        """Do so, in the new process."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in self._descriptors:
            # Not closed: what the process opens next would get the number of what it knows as this.
            os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)
        if threading.get_ident() == self._loop_thread_id and not self._loop.is_closed():
            # The forked code may do its work. When it gives way to the loop, that is its end.
            self._loop.call_soon(os._exit, 0)
