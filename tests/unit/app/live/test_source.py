"""What the app reads of live events."""

from outlast.events import ToolCallProgress
from outlast.live import LIVE_ITEM
from outlast_app.live.source import items_of


def test_lines_of_a_newer_worker() -> None:
    """What the app does not know is skipped, and the stream goes on."""
    known = ToolCallProgress(run_id="r", call_id="1.0", done=1)
    lines = [b'{"type": "new", "run_id": "r"}', b"", LIVE_ITEM.dump_json(known), b"{"]
    assert items_of(lines) == [known]
