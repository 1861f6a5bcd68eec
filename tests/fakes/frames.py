"""Server-sent events of protocols, read back."""

import json
from collections.abc import Iterable
from typing import Any


def read_frames(parts: Iterable[bytes]) -> list[Any]:
    """Return the data of each event: JSON, or the text that is none, such as `[DONE]`."""
    frames = b"".join(parts).decode().split("\n\n")
    found: list[Any] = []
    for frame in frames:
        lines = [line for line in frame.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        fields = dict(line.split(": ", 1) for line in lines)
        data = fields["data"]
        read: Any = json.loads(data) if data.startswith("{") else data
        if name := fields.get("event"):
            assert read["type"] == name
        found.append(read)
    return found
