"""Runs one command of the setup, and shows that it goes on: `python dev/step.py TEXT COMMAND…`.

What the command says is shown only if it fails. Needs no package, for there is none yet.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

_LINE_EVERY_S = 10.0
_TICK_S = 0.5


def run(text: str, command: Sequence[str]) -> int:
    """Run the command, and return its exit status."""
    progress = _Progress(text)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while True:
            try:
                status = process.wait(_TICK_S)
                break
            except subprocess.TimeoutExpired:
                progress.go_on()
        progress.end()
        if status:
            output.seek(0)
            _show(output.read().decode(errors="replace"))
    return status


class _Progress:
    """A line that counts seconds; where it can't be overwritten, a new one now and then."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._began = self._shown = time.monotonic()
        self._overwrites = sys.stderr.isatty()
        _show(f"{text} …" if self._overwrites else f"{text} …\n")

    def go_on(self) -> None:
        now = time.monotonic()
        if self._overwrites:
            _show(f"\r{self._text} … {now - self._began:.0f} s")
        elif now - self._shown >= _LINE_EVERY_S:
            self._shown = now
            _show(f"  … {now - self._began:.0f} s\n")

    def end(self) -> None:
        if self._overwrites:
            _show(f"\r{self._text} … {time.monotonic() - self._began:.0f} s\n")


def _show(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
