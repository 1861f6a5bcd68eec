"""What the app reads of live events."""

from outlast.live import Progress, write_line
from outlast_app.live.source import Heard, hear


def test_lines_of_a_newer_worker() -> None:
    """What the app does not know is skipped, and the stream goes on."""
    known = Progress("1.0", 1.0, None, None)
    line = write_line("r", known)
    odd = [b'{"type": "new", "run_id": "r"}', b"", b"{", b"[]", b'{"type": "message.reset"}']
    assert hear([*odd, line]) == [Heard(known, line)]
