"""Cuts server-sent events out of a stream of bytes.

https://html.spec.whatwg.org/multipage/server-sent-events.html, of which only the data counts.
"""


class EventReader:
    """Takes bytes as they come, and gives the data of each event that is whole.

    Only CR, LF and both end a line: other separators of Unicode are part of the text. Bytes are
    not decoded, so a character may come in halves.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        """Of a line that has not ended."""
        self._data: list[bytes] = []
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take more, and return the events that it completes."""
        if self._after_cr and data:
            data, self._after_cr = data.removeprefix(b"\n"), False
        if b"\n" not in data and b"\r" not in data:
            self._pieces.append(data)
            return []
        lines = b"".join((*self._pieces, data)).splitlines(keepends=True)
        self._after_cr = lines[-1].endswith(b"\r")
        self._pieces = [] if lines[-1].endswith((b"\n", b"\r")) else [lines.pop()]
        return [event for line in lines if (event := self._take(line.rstrip(b"\r\n")))]

    def end(self) -> list[bytes]:
        """Return the last event, if it lacks only the empty line after it."""
        events = self.feed(b"\n\n")
        return [event for event in events if event]

    def _take(self, line: bytes) -> bytes | None:
        """Take a line, and return the event that it ends."""
        if line.startswith(b"data:"):
            self._data.append(line[5:])
        elif not line and self._data:
            event, self._data = b"\n".join(self._data), []
            return event
        return None
