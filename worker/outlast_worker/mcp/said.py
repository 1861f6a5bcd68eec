"""What a server writes to its standard error, in the worker's log: bounded, and nothing secret."""

import time
from collections.abc import Callable

from outlast.logging import get_logger
from outlast_worker.mcp.access import Access, masked

_MAX_LINE_BYTES = 500
_BURST_LINES = 50
_logger = get_logger()


class Said:
    """Of one session.

    Args:
        server: Who says it.
        access: What is not to be told.
        clock: Tells seconds, of any beginning.
    """

    def __init__(
        self, server: str, access: Access, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._server = server
        self._access = access
        self._clock = clock
        self._left = float(_BURST_LINES)
        self._at = clock()
        self._line = b""
        self._left_out = 0

    def hear(self, piece: bytes) -> None:
        """Log the lines that are whole now, and of too many only how many they are."""
        *lines, self._line = (self._line + piece).split(b"\n")
        if len(self._line) > _MAX_LINE_BYTES:
            lines.append(self._line)
            self._line = b""
        for line in filter(bytes.strip, lines):
            self._log(line[:_MAX_LINE_BYTES].decode(errors="replace").strip())

    def _log(self, line: str) -> None:
        now = self._clock()
        self._left = min(self._left + now - self._at, _BURST_LINES)  # one more each second
        self._at = now
        if self._left < 1:
            self._left_out += 1
            return
        self._left -= 1
        left_out = {"left_out": self._left_out} if self._left_out else {}
        self._left_out = 0
        text = masked(line, self._access)
        _logger.info("mcp_server_said", server=self._server, text=text, **left_out)
