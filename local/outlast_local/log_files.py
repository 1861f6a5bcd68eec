"""The logs of a stack: a file for each part, begun anew when the stack starts."""

from collections.abc import Iterator
from pathlib import Path

import watchfiles

from outlast_cli.program import outlast
from outlast_local.errors import NotRunning


def read(directory: Path, part: str | None, *, follow: bool) -> Iterator[str]:
    """Yield the lines of one log, or of all with their part's name before each.

    Args:
        directory: Of the stack.
        part: Such as `worker`.
        follow: Whether to go on as lines are added, until a signal.

    Raises:
        NotRunning: There is no such log.
    """
    paths = [directory / f"{part}.log"] if part else sorted(directory.glob("*.log"))
    if not paths or not all(path.exists() for path in paths):
        there = ", ".join(sorted(path.stem for path in directory.glob("*.log")))
        raise NotRunning(
            f"There is no log of {part}; there are: {there}."
            if part and there
            else f"There are no logs yet. `{outlast('up')}` starts what writes them; "
            f"`{outlast('dev')}` logs to its terminal."
        )
    width = max(len(path.stem) for path in paths)
    tails = [_Tail(path, prefix="" if part else f"{path.stem:{width}} | ") for path in paths]
    for tail in tails:
        yield from tail.lines()
    if not follow:
        return
    for _ in watchfiles.watch(directory, recursive=False, debounce=100, step=20):
        for tail in tails:
            yield from tail.lines()


class _Tail:
    """A log, and how much of it was read."""

    def __init__(self, path: Path, prefix: str) -> None:
        self._path = path
        self._prefix = prefix
        self._read_bytes = 0

    def lines(self) -> Iterator[str]:
        """Yield the lines that are whole and new."""
        if not self._path.exists() or self._path.stat().st_size < self._read_bytes:
            self._read_bytes = 0  # begun anew
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                yield self._prefix + line.decode(errors="replace").rstrip("\n")
